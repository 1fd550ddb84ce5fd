"""Arrays as large as a release, in files without a name instead of in memory, and some rows of them without a copy.

A release of 500,000 encodings has 1.5 billion values, and an attack holds several numbers for each of them.  They are
worked through in blocks of rows; between two blocks their pages are handed back to the system, which keeps in memory
what it has room for and the rest on the disk (of the folder for temporary files: `TMPDIR`).  The files have no name, so
that nothing stays however the process ends.
"""

from __future__ import annotations

import math
import mmap
import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakSet

import torch
from torch import Tensor

#: bytes from which an array lies in a file, and what is left free on its disk, in units of the array
LARGE, SPARE = 1 << 28, 2
#: rows that are worked on between two times that pages are handed back
ROWS = 4096
#: arrays that lie in files
_mapped: WeakSet[mmap.mmap] = WeakSet()


class Rows(Protocol):
    """What is read of a tensor (n, P) where only blocks of its rows are looked at."""

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        ...

    @property
    def shape(self) -> torch.Size:
        """(n, P)."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | Tensor, /) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Some:
    """The rows `index`, int64 (n,), of a tensor (E, P), taken out as they are asked for."""

    of: Tensor
    index: Tensor

    @property
    def device(self) -> torch.device:
        """See `Rows`."""
        return self.of.device

    @property
    def shape(self) -> torch.Size:
        """See `Rows`."""
        return torch.Size((len(self.index), *self.of.shape[1:]))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: slice | Tensor, /) -> Tensor:
        return self.of[self.index[rows]]


def of_rows(x: Tensor, index: Tensor) -> Rows:
    """The rows `index` (ascending) of a tensor, which is itself where that is all of them."""
    return x if len(index) == len(x) else Some(x, index)


def empty(shape: tuple[int, ...], kind: torch.dtype, device: torch.device | str) -> Tensor:
    """An array to be filled; in a file where it is large and on the CPU, and the disk has the room."""
    size = math.prod(shape) * kind.itemsize
    if torch.device(device).type != "cpu" or size < LARGE:
        return torch.empty(shape, dtype=kind, device=device)
    try:
        if shutil.disk_usage(tempfile.gettempdir()).free < (1 + SPARE) * size:
            return torch.empty(shape, dtype=kind)
        with tempfile.TemporaryFile() as file:
            _reserve(file.fileno(), size)
            mapped = mmap.mmap(file.fileno(), size)
    except OSError:  # no such folder, or no room after all: as without a file
        return torch.empty(shape, dtype=kind)
    _mapped.add(mapped)
    return torch.frombuffer(mapped, dtype=kind).view(shape)


def _reserve(file: int, size: int) -> None:
    """A file of that size whose blocks are there: without them a disk that fills up ends whoever writes."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.ftruncate(file, size)


def taken(x: Tensor, index: Tensor) -> Tensor:
    """``x[index]`` in memory, without all pages of `x` there at once: a few rows of a file touch most of them."""
    if not _mapped:
        return x[index]
    out = torch.empty(len(index), *x.shape[1:], dtype=x.dtype, device=x.device)
    for i in range(0, len(index), ROWS):
        out[i : i + ROWS] = x[index[i : i + ROWS]]
        hand_back_pages()
    return out


def hand_back_pages() -> None:
    """Pages of all arrays in files leave this process; what they hold stays, and comes back when it is looked at."""
    if hasattr(mmap, "MADV_DONTNEED"):
        for mapped in list(_mapped):
            mapped.madvise(mmap.MADV_DONTNEED)
