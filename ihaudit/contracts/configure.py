"""From ``id:option=value,...`` to a configured attack or game, every value checked against what its option can be."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, Literal

from ihaudit.contracts.attack import Attack, get_stage
from ihaudit.contracts.game import Game
from ihaudit.errors import UsageError
from ihaudit.registry import get, load, suggest

_WORDS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


def parse_spec(spec: str) -> tuple[str, dict[str, str]]:
    """Split ``id:stage=variant,stage=variant`` into id and options.

    >>> parse_spec("carlini:recovery=em,grouping=cliques")
    ('carlini', {'recovery': 'em', 'grouping': 'cliques'})
    """
    id_, _, rest = spec.partition(":")
    options: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, eq, value = part.partition("=")
        if not eq or not key or not value:
            raise UsageError(f"{spec!r} is not of the form id:option=value,...; {part!r} lacks a value")
        options[key.strip()] = value.strip()
    return id_.strip(), options


def configure(spec: str) -> Attack:
    """The attack object of ``id:option=value,...``.

    An option is a field of the attack's dataclass.  Where it is called like a stage, its value is a variant of that
    stage; else the field's annotation says what it can be: ``bool`` (yes, no, true, false, on, off), ``int``,
    ``float``, ``Literal[...]`` of words, or ``str`` for any text.

    Raises:
        UsageError: an unknown attack, option or variant, or a value that is not of the option's type; it names the
            value and the nearest right one.
    """
    configured: Attack = _configured("attack", spec)
    return configured


def configure_game(spec: str) -> Game:
    """The game object of ``id:option=value,...``, as `configure` for attacks."""
    configured: Game = _configured("game", spec)
    return configured


def _configured(kind: Literal["attack", "game"], spec: str) -> Any:
    id_, options = parse_spec(spec)
    cls = get(kind, id_)
    fields = [f.name for f in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else []
    types = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for key, text in options.items():
        if key not in fields:
            raise UsageError(f"{kind} {id_!r} has no option {key!r}{suggest(key, fields)}")
        if kind == "attack" and any(k.startswith(f"{key}=") for k in load("stage")):
            get_stage(key, text)
            values[key] = text
        else:
            values[key] = _value(f"{id_}:{key}", text, types[key])
    try:
        return cls(**values)
    except (TypeError, ValueError) as e:
        raise UsageError(f"{kind} {spec!r} cannot be configured: {e}") from None


def _value(option: str, text: str, kind: Any) -> Any:
    """`text` as a value of the annotation `kind`."""
    if kind is str:
        return text
    if typing.get_origin(kind) is Literal:
        words = [str(w) for w in typing.get_args(kind)]
        if text in words:
            return typing.get_args(kind)[words.index(text)]
        raise UsageError(f"{option} cannot be {text!r}{suggest(text, words)}")
    if kind is bool:
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        raise UsageError(f"{option} cannot be {text!r}{suggest(text, _WORDS)}")
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise UsageError(f"{option} must be {what}, not {text!r}") from None
    raise TypeError(f"the option {option} is annotated {kind!r}, which no text on the command line can be turned into")
