"""Typed conversion of ``--set name=value`` against a scheme's parameters (runs in the scheme's process)."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from typing import Any, Literal, Union

from ihaudit.errors import printable
from ihaudit.registry import suggest

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "none"}


class ParameterError(Exception):
    """A value that cannot be used for a parameter; one sentence."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One settable parameter: its name, type and default (`inspect.Parameter.empty` where it has none)."""

    name: str
    type: Any
    default: Any


def of(cls: type) -> list[Parameter]:
    """The parameters of a scheme class: its dataclass fields, or else the arguments of its constructor."""
    try:
        hints = typing.get_type_hints(cls if dataclasses.is_dataclass(cls) else _constructor(cls))
    except Exception:  # annotations that cannot be evaluated: fall back to the defaults' types
        hints = {}
    found: list[Parameter] = []
    if dataclasses.is_dataclass(cls):
        for f in dataclasses.fields(cls):
            if f.init:
                default = f.default
                if f.default_factory is not dataclasses.MISSING:
                    default = f.default_factory()
                none = default is dataclasses.MISSING
                found.append(
                    Parameter(
                        f.name, hints.get(f.name, _type_of(default)), inspect.Parameter.empty if none else default
                    )
                )
        return found
    if _constructor(cls) is object.__init__:
        return []
    for p in list(inspect.signature(_constructor(cls)).parameters.values())[1:]:
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            found.append(Parameter(p.name, hints.get(p.name, _type_of(p.default)), p.default))
    return found


def _constructor(cls: type) -> Any:
    return getattr(cls, "__init__")  # noqa: B009 (mypy calls the plain access unsound)


def _type_of(default: Any) -> Any:
    return type(default) if isinstance(default, (bool, int, float, str)) else str


def values(parameters: list[Parameter], given: dict[str, str]) -> dict[str, Any]:
    """Convert the texts in `given`.

    Raises:
        ParameterError: an unknown name (the nearest right one is suggested), a value of another type, or a parameter
            without default that was not given.
    """
    known = {p.name: p for p in parameters}
    for name in given:
        if name not in known:
            none = "" if known else "; it has no parameters"
            same = next((k for k in known if k.lower() == name.lower()), "")
            hint = f"; did you mean {same!r}?" if same else suggest(name, known)
            raise ParameterError(f"the scheme has no parameter {name!r}{hint}{none}")
    for p in parameters:
        if p.default is inspect.Parameter.empty and p.name not in given:
            raise ParameterError(f"the scheme's parameter {p.name!r} has no default; give it with --set {p.name}=...")
    return {name: convert(name, known[name].type, text) for name, text in given.items()}


def convert(name: str, kind: Any, text: str) -> Any:
    """`text` as a value of the type `kind`: int, float, bool, str, Literal, Optional, Union, tuple or list.

    >>> convert("bounds", tuple[float, ...], "0.1,0.9")
    (0.1, 0.9)
    """
    text = text.strip()
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        for option in args:
            if text == str(option):
                return option
        raise ParameterError(f"{name}={text}: must be one of {', '.join(map(str, args))}{_near(text, args)}")
    if origin in (Union, types.UnionType):
        if type(None) in args and text.lower() in ("none", "null", ""):
            return None
        for option in sorted((a for a in args if a is not type(None)), key=lambda a: a is str):
            try:
                return convert(name, option, text)
            except ParameterError:
                continue
        raise ParameterError(f"{name}={text}: expected {describe(kind)}")
    if origin in (tuple, list) or kind in (tuple, list):
        parts = [p for p in text.strip("()[]").split(",") if p.strip()]
        inner = [a for a in args if a is not Ellipsis] or [str]
        if origin is tuple and args and Ellipsis not in args:
            if len(parts) != len(inner):
                raise ParameterError(
                    f"{name}={text}: expected {len(inner)} values separated by commas, got {len(parts)}"
                )
        else:
            inner = inner[:1] * len(parts)
        made = [convert(name, t, p) for t, p in zip(inner, parts, strict=True)]
        return made if (origin or kind) is list else tuple(made)
    if kind is bool:
        if text.lower() in _TRUE + _FALSE:
            return text.lower() in _TRUE
    elif kind in (int, float):
        try:
            return int(text.replace("_", "")) if kind is int else _finite(text)
        except ValueError:
            pass
    elif kind in (str, Any):
        return text
    else:
        raise ParameterError(f"{name}={text}: the parameter's type {describe(kind)} cannot be given as text")
    raise ParameterError(f"{name}={text}: expected {describe(kind)}, got {text!r}")


def _finite(text: str) -> float:
    value = float(text)
    if value != value:
        raise ValueError(text)
    return value


def _near(text: str, options: tuple[Any, ...]) -> str:
    hint = suggest(text, [str(o) for o in options])
    return hint if "did you mean" in hint else ""


def describe(kind: Any) -> str:
    """A type in words."""
    if isinstance(kind, type) and kind in _WORDS:
        return _WORDS[kind]
    if typing.get_origin(kind) in (Union, types.UnionType):
        return " or ".join(describe(a) for a in typing.get_args(kind))
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(kind)))
    if typing.get_origin(kind):
        return str(kind).replace("typing.", "")
    return kind.__name__ if isinstance(kind, type) else str(plain(kind))


#: Where an object lies in memory, which differs from run to run.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
#: Nested deeper, or longer, than this a value is described and not quoted.
_MAX_DEPTH, _MAX_ITEMS, _MAX_TEXT, _MAX_BITS = 6, 1000, 4000, 256


def plain(value: Any, depth: int = 0) -> Any:
    """A value as bounded JSON-able data; what is neither number, text nor a short sequence of those is described."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return printable(str(value[:_MAX_TEXT]))
    if isinstance(value, int):
        return int(value) if value.bit_length() <= _MAX_BITS else f"a whole number of {value.bit_length():,} bits"
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (tuple, list, dict)):
        if depth >= _MAX_DEPTH or len(value) > _MAX_ITEMS:
            return f"a {type(value).__name__} of {len(value):,} items"
        if isinstance(value, dict):
            return {printable(str(k)[:100], lines=False): plain(v, depth + 1) for k, v in value.items()}
        return [plain(v, depth + 1) for v in value]
    try:
        return printable(_ADDRESS.sub("", repr(value)[:200]))
    except Exception:
        return f"a {type(value).__name__}"
