"""numba set-up shared by the kernels of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numba

from ihaudit.attacks.numerics.compiled import kernel
from ihaudit.environment import cores

__all__ = ["inlined", "kernel", "parallel"]

T = TypeVar("T")
R = TypeVar("R")


def inlined(f: Callable[..., Any]) -> Any:
    """Paste `f` into the kernels that call it: LLVM turns no loop with a call to a larger function into vectors."""
    return numba.njit(inline="always")(f)


def parallel(f: Callable[[T], R], items: Iterable[T], threads: int | None = None) -> list[R]:
    """``[f(x) for x in items]`` on threads; chunks are handed out one by one, which suits shared cores.

    Results are in the order of `items`, whatever the order of completion.
    """
    items = list(items)
    n = min(threads or cores(), len(items))
    if n <= 1:
        return [f(x) for x in items]
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(f, items))
