"""numba set-up shared by the kernels of this package: no GIL, cached on disk where a place for the cache exists."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numba

from ihaudit.environment import cores

T = TypeVar("T")
R = TypeVar("R")


def _cacheable() -> bool:
    """Whether numba finds a writable place for compiled code (it raises at decoration time where it finds none)."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return True
    here = Path(__file__).resolve().parent
    home = Path(os.path.expanduser("~"))
    for folder in (here / "__pycache__", here, home / ".cache", home):
        if folder.is_dir():
            try:
                with tempfile.TemporaryFile(dir=folder):
                    return True
            except OSError:
                continue
    return False


_CACHE = _cacheable()


def kernel(f: Callable[..., Any]) -> Any:
    """Compile `f` without the GIL (so that plain threads run kernels side by side)."""
    return numba.njit(nogil=True, cache=_CACHE, boundscheck=False)(f)


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
