"""Independent items of one audit side by side: a few jobs at once, within the memory that the machine has.

What needs a process of its own (an attack) may run on any lane; what computes in the auditor's own process (games,
controls) runs in the main thread, so that an interruption reaches it at once.  Every item has a seed of its own and
answers are handed back in the order of the items, so that results do not depend on the number of jobs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

import psutil

from ihaudit.audit.worker import AttackWorker
from ihaudit.environment import cores

T = TypeVar("T")

#: Of the memory that is free when the items begin, what they may take together.
SHARE = 0.8
#: Seconds that a lane has to come to its end once it was told to stop.
GRACE_S = 10.0


@dataclass(frozen=True, eq=False)
class Job(Generic[T]):
    """One item.

    Attributes:
        run: does it, with attacks in the worker that it is handed.
        here: it computes in this process, so that only the main thread takes it.
        memory_mb: that it will take at its peak, about; 0 for next to nothing.
        long: how long it takes beside others, about: the longest are begun first.
        after: what must have ended before it begins; they stand before it in the order of the jobs.
    """

    run: Callable[[AttackWorker], T]
    here: bool = False
    memory_mb: float = 0.0
    long: float = 0.0
    after: tuple[Job[Any], ...] = ()


def free_memory_mb() -> float:
    """Memory that this process may still take, MB: of the machine, or of its control group where that leaves less."""
    free = float(psutil.virtual_memory().available) / 2**20
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        cached = next(
            int(line.split()[1])
            for line in (group / "memory.stat").read_text().splitlines()
            if line.startswith("inactive_file ")
        )
    except (OSError, ValueError, StopIteration):
        return free
    return free if limit == "max" else min(free, max(0.0, (int(limit) - used + cached) / 2**20))


def threads_each(jobs: int) -> int:
    """Threads of each of so many jobs, so that together they have one for every core."""
    return max(1, cores() // max(1, jobs))


class Lanes:
    """Runs jobs, `count` at a time: the main thread and `count` - 1 others, each with a worker of its own.

    A context manager: when it is left early, workers are ended, and jobs that were not finished leave nothing behind.

    Args:
        count: jobs at once, at least 1; with one, they run in order in the main thread.
        timeout_s: wall seconds that one attack may take.
        memory_mb: what jobs may take together; a larger one runs alone.
    """

    def __init__(self, count: int, timeout_s: float, memory_mb: float | None = None) -> None:
        self.count = max(1, count)
        self._budget = SHARE * free_memory_mb() if memory_mb is None else memory_mb
        threads = threads_each(self.count)
        self._workers = [AttackWorker(timeout_s, threads=threads) for _ in range(self.count)]
        self._turn = threading.Condition()
        self._todo: list[tuple[Job[Any], Future[Any]]] = []
        self._done: dict[Job[Any], Future[Any]] = {}
        self._used, self._running, self._stopped = 0.0, 0, False
        self._failed: Exception | None = None
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Lanes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, whatever they are doing, and wait for the lanes."""
        with self._turn:
            self._stopped = True
            for _, future in self._todo:
                future.cancel()
            self._todo.clear()
            self._turn.notify_all()
        for worker in self._workers[1:]:
            worker.end()
        for thread in self._threads:
            thread.join(GRACE_S)
        for worker in self._workers:
            worker.close()

    @property
    def stopped(self) -> bool:
        """Jobs that end now were cut short: what they say is not to be kept."""
        return self._stopped

    def run(self, jobs: Sequence[Job[T]]) -> list[T]:
        """All jobs; their answers in their order.

        Raises:
            Exception: the first that a job raised, once it is known; the others are cut short when this is left.
        """
        if self.count == 1:
            return [job.run(self._workers[0]) for job in jobs]
        futures: list[Future[T]] = [Future() for _ in jobs]
        pairs: list[Any] = list(zip(jobs, futures, strict=True))
        self._done = {job: future for job, future in pairs}
        # the longest first: it would be waited for at the end
        self._todo = sorted((p for p in pairs if not p[0].here), key=lambda p: (-p[0].long, -p[0].memory_mb))
        self._threads = [
            threading.Thread(target=self._lane, args=(worker,), daemon=True, name=f"lane {number}")
            for number, worker in enumerate(self._workers[1:], 2)
        ]
        for thread in self._threads:
            thread.start()
        self._main([p for p in pairs if p[0].here])
        for future in futures:
            if self._failed is None:
                future.exception()  # waits; an interruption ends it
        if self._failed is not None:
            raise self._failed
        return [future.result() for future in futures]

    def _main(self, here: list[tuple[Job[Any], Future[Any]]]) -> None:
        """Jobs of the main thread in their order as soon as what they wait for has ended, and meanwhile any."""
        while (taken := self._take(here)) is not None:
            self._one(*taken, self._workers[0])

    def _lane(self, worker: AttackWorker) -> None:
        """Jobs that any lane may run, one after the other."""
        while (taken := self._take([])) is not None:
            self._one(*taken, worker)

    def _take(self, here: list[tuple[Job[Any], Future[Any]]]) -> tuple[Job[Any], Future[Any]] | None:
        """The next job, waited for: the first of `here` that can begin, else one that fits beside those that run; None
        where none is left, or one has failed."""
        with self._turn:
            while (self._todo or here) and not self._stopped and self._failed is None:
                for pair in here:
                    if self._ready(pair[0]):
                        here.remove(pair)
                        return pair
                for pair in self._todo:
                    fits = self._running == 0 or self._used + pair[0].memory_mb <= self._budget
                    if fits and self._ready(pair[0]):
                        self._todo.remove(pair)
                        self._used, self._running = self._used + pair[0].memory_mb, self._running + 1
                        return pair
                self._turn.wait()
            return None

    def _ready(self, job: Job[Any]) -> bool:
        """What it waits for, if anything, has ended."""
        return all(self._done[other].done() for other in job.after)

    def _one(self, job: Job[Any], future: Future[Any], worker: AttackWorker) -> None:
        try:
            future.set_result(job.run(worker))
        except Exception as e:
            self._failed = self._failed or e
            future.set_exception(e)
        finally:
            with self._turn:
                if not job.here:
                    self._used, self._running = self._used - job.memory_mb, self._running - 1
                self._turn.notify_all()
