"""Ranges of seeds, and how a scan works through one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ihaudit.attacks.prng._jit import parallel
from ihaudit.contracts.context import Progress

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """Seeds to try, in order, and what they are in words."""

    values: Sequence[int]
    words: str


EVERY = Range(range(2**32), "all 2^32 seeds")
SMALL = Range(range(10**6), "0..999,999")
DATES = Range(range(1950_01_01, 2035_12_31 + 1), "dates yyyymmdd, 1950..2035")


def search_range(
    search: Callable[[int, int], list[T]],
    first: int,
    last: int,
    size: int,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    task: str = "scanning seeds",
) -> list[T]:
    """What `search(start, stop)` finds in chunks of at most `size` seeds of [first, last), on threads; sorted."""
    starts = range(first, last, size)
    done = [0]

    def chunk(start: int) -> list[T]:
        hits = search(start, min(start + size, last))
        done[0] += 1
        if progress and done[0] % 16 == 0:
            progress(task, done[0] / len(starts))
        return hits

    return sorted(hit for part in parallel(chunk, starts, threads) for hit in part)  # type: ignore[type-var]
