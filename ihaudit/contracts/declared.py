"""Classes that are registered with attributes of their own: complete as their Protocol says, or refused at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ihaudit.registry import Kind, register

T = TypeVar("T")


def declared(kind: Kind, id_: str, protocol: type[Any]) -> Callable[[T], T]:
    """Decorator: register a class under `id_` that states every attribute and method of `protocol`.

    The class gets `id_` as its ``id``; attributes that it leaves out get the protocol's default, where there is one.

    Raises:
        TypeError: an attribute or method without a default is missing; the sentence names all of them.
    """

    def add(cls: T) -> T:
        names = [n for n in (*protocol.__annotations__, *vars(protocol)) if not n.startswith("_")]
        cls.id = id_  # type: ignore[attr-defined]  # T is any class
        for name in names:
            default = getattr(protocol, name, None)
            if not hasattr(cls, name) and default is not None and not callable(default):
                setattr(cls, name, default)
        if missing := sorted({n for n in names if not hasattr(cls, n)}):
            raise TypeError(f"{kind} {id_!r} lacks {', '.join(missing)}; see {protocol.__module__}.{protocol.__name__}")
        return register(kind, id_)(cls)

    return add
