"""A scheme that a package brings along, so that it can be audited by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ihaudit.registry import register
from ihaudit.scheme import Scheme

S = TypeVar("S", bound=type[Scheme])


def scheme(id_: str) -> Callable[[S], S]:
    """Register a scheme class under `id_`: ``ihaudit run ID`` then audits the file in which it stands.

    The file is run in the sandbox as any scheme file is; nothing of the class is used but where it stands.  (Schemes of
    ihaudit itself need no registration: their files have their names.)
    """
    return register("scheme", id_)
