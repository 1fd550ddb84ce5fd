"""Both cores without barriers: blocks of rows on a few threads, each with single-threaded tensor operations.

Splitting every small operation over OpenMP threads costs more in barriers than it gains, and far more on a busy
machine.  Rows are dealt to the workers in a fixed pattern and partial sums are added in a fixed order, so the result is
the same from run to run on one machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from ihaudit.attacks.numerics.scratch import hand_back_pages
from ihaudit.environment import cores

T = TypeVar("T")
J = TypeVar("J")

#: more workers only raise memory: the machines this is meant for have two cores
MAX_WORKERS = 4


def workers(device: torch.device | str) -> int:
    """Number of threads that share the rows; one on an accelerator."""
    if torch.device(device).type != "cpu":
        return 1
    return min(MAX_WORKERS, cores())


@contextmanager
def single_threaded() -> Iterator[None]:
    """Tensor operations of this and new threads run on one thread each; the old setting is restored."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_jobs(
    job: Callable[[J], T], items: Sequence[J], device: torch.device | str = "cpu", *, at_once: int = MAX_WORKERS
) -> list[T]:
    """``[job(x) for x in items]`` on the workers, in order; `at_once` of them at most."""
    count = min(workers(device), at_once)

    def alone(x: J) -> T:
        done = job(x)
        hand_back_pages()
        return done

    if count <= 1 or len(items) <= 1:
        return [alone(x) for x in items]

    def one(x: J) -> T:
        torch.set_num_threads(1)
        return alone(x)

    with single_threaded(), ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, items))


def row_blocks(total: int, batch: int, device: torch.device | str) -> list[list[slice]]:
    """One list of row slices per worker; larger slices on an accelerator."""
    count = workers(device)
    if count == 1 and torch.device(device).type != "cpu":
        batch *= 8
    blocks = [slice(i, min(i + batch, total)) for i in range(0, total, batch)]
    return [blocks[i::count] for i in range(count) if blocks[i::count]]
