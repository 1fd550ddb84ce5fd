"""Processes on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from ihaudit.contracts.engine import EngineOptions, engine
from ihaudit.engines.apart import Apart, end_all
from ihaudit.environment import cores
from ihaudit.errors import UsageError

Item = TypeVar("Item")
T = TypeVar("T")


@engine("local", "processes on this machine")
class Local:
    """As many processes as `jobs`; the cores are shared out between them."""

    def __init__(self, options: EngineOptions) -> None:
        if options.scheduler is not None:
            raise UsageError("--scheduler is the address of a Dask scheduler; give --engine dask with it")
        options.refuse_settings("local")
        jobs = options.jobs or cores()
        self._threads = max(1, cores() // jobs)
        # A thread for each process does nothing but wait for it.
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="sweep")

    def submit_each(self, function: Callable[[Item], T], items: Sequence[Item]) -> list[Future[T]]:
        """See `Engine.submit_each`."""
        call = Apart(function, self._threads)
        return [self._pool.submit(call, item) for item in items]

    def __enter__(self) -> Local:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if exc is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            end_all()
        self._pool.shutdown()
