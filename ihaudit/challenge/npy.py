"""Arrays in .npy files: read without pickles, mapped instead of loaded, written in blocks and atomically."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ihaudit.challenge.layout import Layout
from ihaudit.errors import ImageError, UsageError
from ihaudit.results import atomic_path


def load_npy(path: Path, *, mmap: bool = False) -> NDArray[Any]:
    """Read one array from a .npy file without pickles; `mmap` maps large files instead of reading them.

    Raises:
        ImageError: missing, not .npy, or holding objects.
    """
    try:
        if not path.exists():
            raise ImageError(f"there is no file {path}")
        if not path.is_file():
            raise ImageError(f"{path} is not a file; name an array that numpy.save wrote")
        if is_archive(path):
            raise ImageError(f"{path} is an archive of arrays (.npz); save the one array with numpy.save")
        # Mapped first: a header may promise any size, and a map of what is not there is refused.
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        return found if mmap else np.array(found)
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{path} needs more memory than this machine has") from None
    except Exception as e:  # a damaged header can raise nearly anything
        said = str(e) or type(e).__name__
        raise ImageError(f"{path} is not a readable .npy array ({said}); save it with numpy.save") from None


def is_archive(path: Path) -> bool:
    """Whether a file begins as an archive of arrays (.npz) does; False where there is none."""
    if not path.is_file():
        return False
    with path.open("rb") as f:
        return f.read(4) == b"PK\x03\x04"


class Mapped(np.ndarray):
    """float (E, H, W, C), read only, lying in a file; another process that is sent it maps the file itself.

    A plain array would be copied whole through the pipe to the process that runs the attacks.
    """

    recipe: tuple[str, Layout] | None = None

    def __array_finalize__(self, obj: object) -> None:
        self.recipe = None  # what is derived from it is another array

    def __reduce__(self) -> Any:
        return (mapped, self.recipe) if self.recipe is not None else super().__reduce__()


def mapped(path: str, layout: Layout) -> NDArray[Any]:
    """The array in the file as (E, H, W, C); float32 files stay on disk, others are converted in memory."""
    raw = np.load(path, mmap_mode="r", allow_pickle=False)
    images = layout.view(raw)
    if images.dtype != np.float32:
        return np.asarray(images, np.float32)
    found = images.view(Mapped)
    found.recipe = (path, layout)
    return found


def sha256(path: Path) -> str:
    """Hash of a file, read in blocks."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def save_blocks(path: Path, shape: tuple[int, ...], dtype: DTypeLike, blocks: Iterable[NDArray[Any]]) -> None:
    """Write an array of `shape` from consecutive blocks of rows; a reader sees all of it or nothing.

    Raises:
        UsageError: the folder cannot be written, or the disk is full.
    """

    try:
        with atomic_path(path) as temporary:
            if 0 in shape:
                with open(temporary, "wb") as f:
                    np.save(f, np.zeros(shape, dtype))
                return
            out = np.lib.format.open_memmap(str(temporary), mode="w+", dtype=np.dtype(dtype), shape=shape)
            start = 0
            for block in blocks:
                out[start : start + len(block)] = block
                start += len(block)
            if start != shape[0]:
                raise ValueError(f"{start} rows for an array of {shape[0]}")
            out.flush()
            del out
    except OSError as e:
        raise UsageError(f"{path} cannot be written ({e.strerror or e}); name another folder with --out") from None
