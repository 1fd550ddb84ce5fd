"""One registry for everything that is added by one file: add a file, use a decorator, nothing else changes.

Modules are found by walking the kind's package with all of its sub-packages; other people's packages through the
entry-point group ``ihaudit.plugins`` (each entry point is imported, and registers by decorator).  The decorators, and
the Protocols that registered objects follow, stand in `ihaudit.contracts`.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from typing import Any, Literal, TypeVar

from ihaudit.errors import UsageError

Kind = Literal[
    "attack",
    "stage",
    "game",
    "learner",
    "scheme",
    "metric",
    "baseline",
    "control",
    "section",
    "format",
    "trainer",
    "engine",
]
#: kind -> the package whose modules register items of that kind
PACKAGES: dict[Kind, str] = {
    "attack": "ihaudit.attacks",
    "stage": "ihaudit.attacks.stages",
    "game": "ihaudit.games",
    "learner": "ihaudit.games.learners",
    "scheme": "ihaudit.schemes",
    "metric": "ihaudit.metrics",
    "baseline": "ihaudit.scoring.baselines",
    "control": "ihaudit.audit.controls",
    "section": "ihaudit.report.sections",
    "format": "ihaudit.report.formats",
    "trainer": "ihaudit.training",
    "engine": "ihaudit.engines",
}

#: kinds whose objects state their `order`
ORDERED: tuple[Kind, ...] = ("metric", "baseline", "control", "section")

T = TypeVar("T")
_ITEMS: dict[Kind, dict[str, Any]] = {}
_LOADED: set[str] = set()


def register(kind: Kind, id_: str) -> Callable[[T], T]:
    """Decorator: register an object under `kind` and `id_`.

    Raises:
        ValueError: another object of this kind has the id.
    """

    def add(obj: T) -> T:
        items = _ITEMS.setdefault(kind, {})
        old = items.get(id_)
        if old is not None and _origin(old) != _origin(obj):
            raise ValueError(f"two {kind}s are called {id_!r}: {old!r} and {obj!r}")
        items[id_] = obj
        return obj

    return add


def unregister(kind: Kind, id_: str) -> None:
    """Take an object out again (tests); nothing happens where there is none."""
    _ITEMS.get(kind, {}).pop(id_, None)


def _origin(obj: Any) -> Any:
    """Where a class or function is defined (a module imported twice registers once); of other objects, themselves."""
    return (obj.__module__, obj.__qualname__) if hasattr(obj, "__qualname__") else obj


def load(kind: Kind) -> dict[str, Any]:
    """All registered objects of `kind` by id, in order of their `order` (kinds of `ORDERED`) and id.

    The first call imports the kind's package, and the plug-ins.
    """
    if kind not in _LOADED:
        _LOADED.add(kind)
        package = importlib.import_module(PACKAGES[kind])
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
        if "plugins" not in _LOADED:
            _LOADED.add("plugins")
            for point in entry_points(group="ihaudit.plugins"):
                point.load()
    items = _ITEMS.get(kind, {})
    return {i: items[i] for i in sorted(items, key=lambda i: (items[i].order if kind in ORDERED else 0, i))}


def get(kind: Kind, id_: str) -> Any:
    """The object registered as `id_`, or a `UsageError` that suggests the nearest name."""
    items = load(kind)
    if id_ in items:
        return items[id_]
    raise UsageError(f"there is no {kind} called {id_!r}{suggest(id_, items)}")


def suggest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` or a list of what there is, to end an error sentence with."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are: {', '.join(known)}" if known else ""
