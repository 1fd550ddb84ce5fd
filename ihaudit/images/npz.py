"""Arrays of .npz files and .npy headers, checked before memory is taken for what they promise."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.errors import ImageError

#: How often an array of images is held while it is read: as stored, as floats, and once more while these are checked.
_COPIES = 3


@dataclass(frozen=True, eq=False)
class Archive:
    """Arrays by name (`found`, those that were asked for), and the names of all that there are."""

    names: list[str]
    found: dict[str, NDArray[Any]]


def read_npz(path: Path, wanted: Collection[str]) -> Archive:
    """Some arrays of an .npz file of plain arrays, without pickles.

    Raises:
        ImageError: it is none, is damaged, holds objects, or promises more than it holds or than memory can take.
    """
    try:
        with path.open("rb") as f:
            single = f.read(6) == np.lib.format.MAGIC_PREFIX
        if single:
            raise ImageError(
                f"{path.name} is one array (.npy) under the name of an archive; save with numpy.savez(images=...)"
            )
        with zipfile.ZipFile(path) as archive:
            members = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}
            found = {}
            for name in wanted:
                if name in members:
                    with archive.open(members[name]) as f:
                        found[name] = _member(f, members[name].file_size, f"{path.name}, array {name!r}")
            return Archive(sorted(members), found)
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{path.name} needs more memory than this machine has; give fewer or smaller images") from None
    except Exception as e:  # a damaged archive can raise nearly anything: zip, zlib, tokenizer, encoding, struct
        said = str(e) or type(e).__name__
        raise ImageError(
            f"{path.name} cannot be read ({said}); it is damaged, or not an .npz of plain arrays"
        ) from None


def _member(f: IO[bytes], size: int, name: str) -> NDArray[Any]:
    """One array, from a stream of `size` bytes."""
    version = np.lib.format.read_magic(f)
    shape, fortran, dtype = _header(f, version)
    check_promise(shape, dtype, size - f.tell(), name)
    data = f.read(math.prod(shape) * dtype.itemsize)
    flat = np.frombuffer(data, dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _header(f: IO[bytes], version: tuple[int, int]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read:
        raise ValueError(f"it has the .npy version {version[0]}.{version[1]}, and 1.0 and 2.0 are read")
    return read[version](f)


def check_promise(shape: tuple[int, ...], dtype: np.dtype[Any], held: int, name: str) -> None:
    """Whether a header's shape and type go with the bytes that follow it, and with this machine's memory.

    Raises:
        ImageError: they do not.
    """
    if dtype.hasobject:
        raise ImageError(f"{name} holds objects (mixed shapes, or texts as objects); save one array of numbers")
    promised = math.prod(shape) * dtype.itemsize
    if promised != held:
        raise ImageError(
            f"{name} promises {promised:,} bytes by its shape {shape} and type {dtype}, and holds {max(held, 0):,}; "
            "it is damaged, save it anew"
        )
    check_room(shape, name, dtype.itemsize)


def check_room(shape: tuple[int, ...], name: str, itemsize: int = 4) -> None:
    """Whether images of `shape` can be read on this machine.

    Raises:
        ImageError: they cannot.
    """
    import psutil

    needed = _COPIES * math.prod(shape) * max(4, itemsize)
    if needed > psutil.virtual_memory().available:
        raise ImageError(
            f"{name} has the shape {shape}, which takes {needed / 1e9:,.1f} GB to read, more than this machine has "
            "free; give fewer or smaller images"
        )
