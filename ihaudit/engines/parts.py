"""Independent parts of one attack on a cluster: what `map` gives, from the workers of a scheduler."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ihaudit.contracts.context import Context
from ihaudit.contracts.engine import Died, Engine, EngineOptions
from ihaudit.errors import IhauditError
from ihaudit.registry import get

Item = TypeVar("Item")
T = TypeVar("T")

#: How often a part is asked for whose process died.
TRIES = 3


def cluster(scheduler: str) -> Engine:
    """The engine of a scheduler that runs already.

    Raises:
        UsageError: it does not answer, or a package is missing.
    """
    found: Engine = get("engine", "dask").start(EngineOptions(None, Path(tempfile.gettempdir()), scheduler))
    return found


def elsewhere(ctx: Context) -> Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]] | None:
    """What maps a function over parts on the cluster that the context names; None where it names none.

    Tensors of an accelerator stay on it.
    """
    if ctx.scheduler is None or ctx.device != "cpu":
        return None
    return partial(on_cluster, ctx.scheduler)


def on_cluster(scheduler: str, function: Callable[[Item], T], items: Sequence[Item]) -> list[T]:
    """``[function(x) for x in items]``, on the workers of a scheduler.

    Raises:
        IhauditError: a part died several times, or the scheduler does not answer.
    """
    with cluster(scheduler) as engine:
        return mapped(engine, function, items)


def mapped(engine: Engine, function: Callable[[Item], T], items: Sequence[Item]) -> list[T]:
    """``[function(x) for x in items]`` on an engine; a part whose process died is asked for again."""
    found: dict[int, T] = {}
    left = list(range(len(items)))
    for _ in range(TRIES):
        futures: list[Future[T]] = engine.submit_each(function, [items[i] for i in left])
        failed = []
        for i, future in zip(left, futures):
            try:
                found[i] = future.result()
            except Died as e:
                failed.append((i, e))
        if not failed:
            return [found[i] for i in range(len(items))]
        left = [i for i, _ in failed]
    raise IhauditError(f"a part of the attack died {TRIES} times on the cluster ({failed[0][1]}); give it more memory")
