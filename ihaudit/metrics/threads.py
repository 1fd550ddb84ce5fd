"""One thread for many small operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    # Finding the loaded libraries takes milliseconds; once is enough, as torch and numpy are loaded by now.
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch and BLAS to one thread meanwhile (also a decorator).

    Scores are many small operations: a second thread gains little, and on a busy machine waiting for it at the end of
    each operation costs many times more.  One thread also makes sums independent of the number of cores.
    """
    import torch  # only here: reports read the names of metrics, and need no torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _controller().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(threads)
