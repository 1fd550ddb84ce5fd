"""numba set-up: no GIL, cached on disk where a place for the cache exists."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


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
