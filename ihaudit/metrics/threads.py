"""One thread for many small operations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    # Finding the loaded libraries takes milliseconds; once is enough, as torch and numpy are loaded by now.
    return ThreadpoolController()


def limit_threads(count: int) -> None:
    """Let torch, BLAS and OpenMP compute with at most `count` threads from now on, in this process."""
    import torch

    torch.set_num_threads(min(count, torch.get_num_threads()))
    for library in _controller().lib_controllers:
        library.set_num_threads(min(count, library.num_threads))


_LOCK = threading.Lock()
#: How many are inside `one_thread` now, and BLAS's limit, which is the whole process's and so ends with the last.
_inside, _blas = 0, ExitStack()


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch and BLAS to one thread meanwhile (also a decorator).

    Scores are many small operations: a second thread gains little, and on a busy machine waiting for it at the end of
    each operation costs many times more.  One thread also makes sums independent of the number of cores.
    """
    import torch  # only here: reports read the names of metrics, and need no torch

    global _inside
    threads = torch.get_num_threads()  # of this thread
    torch.set_num_threads(1)
    with _LOCK:
        if _inside == 0:
            _blas.enter_context(_controller().limit(limits=1, user_api="blas"))
        _inside += 1
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if _inside == 0:
                _blas.close()
        torch.set_num_threads(threads)
