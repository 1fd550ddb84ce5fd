"""One registry for attacks, games, schemes, baselines and formats: add a file, use a decorator, nothing else changes.

Modules of the package are found by walking the sub-package; other people's packages through the entry-point group
``ihaudit.plugins`` (each entry point is imported, and registers by decorator).
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TypeVar

from ihaudit.errors import UsageError

T = TypeVar("T")
_ITEMS: dict[str, dict[str, Any]] = {}
_LOADED: set[str] = set()
#: kind -> sub-package whose modules register items of that kind
PACKAGES = {
    "attack": "ihaudit.attacks",
    "stage": "ihaudit.attacks.stages",
    "game": "ihaudit.games",
    "format": "ihaudit.report",
}


def register(kind: str, id_: str) -> Callable[[T], T]:
    """Class or function decorator: register the object under `kind` and `id_` (ids are unique per kind)."""

    def add(obj: T) -> T:
        items = _ITEMS.setdefault(kind, {})
        old = items.get(id_)
        if old is not None and getattr(old, "__module__", None) != getattr(obj, "__module__", None):
            raise ValueError(f"two {kind}s are called {id_!r}: {old!r} and {obj!r}")
        items[id_] = obj
        return obj

    return add


def load(kind: str) -> dict[str, Any]:
    """All registered objects of `kind` by id, after importing the package's modules and the plug-ins once."""
    if kind not in _LOADED:
        _LOADED.add(kind)
        package = importlib.import_module(PACKAGES[kind])
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
        if "plugins" not in _LOADED:
            _LOADED.add("plugins")
            for point in entry_points(group="ihaudit.plugins"):
                point.load()
    return dict(sorted(_ITEMS.get(kind, {}).items()))


def get(kind: str, id_: str) -> Any:
    """The object registered as `id_`, or a `UsageError` that suggests the nearest name."""
    items = load(kind)
    if id_ in items:
        return items[id_]
    raise UsageError(f"there is no {kind} called {id_!r}{suggest(id_, items)}")


def suggest(name: str, known: Any) -> str:
    """`; did you mean 'x'?` or a list of what there is, to end an error sentence with."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are: {', '.join(known)}" if known else ""
