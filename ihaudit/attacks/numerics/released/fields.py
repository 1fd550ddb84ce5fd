"""A release taken apart: encodings, labels and further arrays, by image, as the scheme returned them.

How an array is dealt out to images is found from calls of two sizes: by an axis as long as there are images (or a whole
multiple of it), or by its number of values (so many for each image, and perhaps a few more).
"""

from __future__ import annotations

import bz2
import contextlib
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.release import Release

Array = NDArray[Any]

#: Rows of one image at most that are looked at together.
MAX_ROWS = 4
#: Values beside those of images that an array may hold.
MAX_REST = 4096
#: Bytes that a compressed array may become.
MAX_BYTES = 256 << 20
#: First bytes of what the standard library decompresses.
HEADS: tuple[tuple[bytes, str], ...] = (
    (b"\x78\x01", "zlib"),
    (b"\x78\x5e", "zlib"),
    (b"\x78\x9c", "zlib"),
    (b"\x78\xda", "zlib"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ", "lzma"),
)


@dataclass(frozen=True)
class Split:
    """How an array is dealt out to images.

    Attributes:
        words: how, for reports; empty where each row is one image's.
        axis: the axis of images, or None where values are only counted.
        rows: rows of each image.
        blocked: rows of one image stand apart (all first ones, then all second ones), not one after the other.
        each, rest: without an axis: values of each image, and values besides.
        behind: those besides stand behind the others.
    """

    words: str
    axis: int | None = 0
    rows: int = 1
    blocked: bool = False
    each: int = 0
    rest: int = 0
    behind: bool = False

    def count(self, a: Array) -> int:
        """Of how many images an array holds something; 0 where it is not of this kind."""
        if self.axis is None:
            return (
                (a.size - self.rest) // self.each if a.size > self.rest and not (a.size - self.rest) % self.each else 0
            )
        if self.axis >= a.ndim or a.shape[self.axis] % self.rows:
            return 0
        return int(a.shape[self.axis]) // self.rows

    def __call__(self, a: Array) -> Array:
        """(n, ...), or (n, rows, ...) where an image has several rows."""
        n = self.count(a)
        if self.axis is None:
            flat = a.reshape(-1)
            flat = flat[: len(flat) - self.rest] if self.behind else flat[self.rest :]
            return flat.reshape(n, self.each)
        moved = np.moveaxis(a, self.axis, 0)
        if self.rows == 1:
            return moved
        if self.blocked:
            return moved.reshape(self.rows, n, *moved.shape[1:]).swapaxes(0, 1)
        return moved.reshape(n, self.rows, *moved.shape[1:])


def splits(arrays: Sequence[Array], counts: Sequence[int]) -> list[Split]:
    """How one array of several calls, on `counts` images (at least two numbers), may be dealt out to them."""
    first = arrays[0]
    found: list[Split] = []
    if len({(a.ndim, a.dtype) for a in arrays}) == 1:
        for axis in range(first.ndim):
            alike = {(*a.shape[:axis], *a.shape[axis + 1 :]) for a in arrays}
            ratios = {a.shape[axis] / n for a, n in zip(arrays, counts, strict=True)}
            rows = next(iter(ratios))
            if len(alike) > 1 or len(ratios) > 1 or rows % 1 or not 1 <= rows <= MAX_ROWS:
                continue
            if rows == 1:
                found.append(Split("" if axis == 0 else f"along axis {axis}", axis))
            else:
                words = f"{rows:g} rows an image"
                found += [
                    Split(f"{words}, in turn", axis, int(rows)),
                    Split(f"{words}, in blocks", axis, int(rows), blocked=True),
                ]
    if found:
        return found
    slopes = {(a.size - first.size) / (n - counts[0]) for a, n in zip(arrays, counts, strict=True) if n != counts[0]}
    each = next(iter(slopes), 0.0)
    rest = first.size - each * counts[0]
    same = all(a.size == rest + each * n for a, n in zip(arrays, counts, strict=True))
    if each < 1 or each % 1 or not 0 <= rest <= MAX_REST or not same:
        return []
    words = "by the number of values" + (f", of which {rest:g} are left over" if rest else "")
    ends = (False, True) if rest else (False,)
    return [Split(words, None, each=int(each), rest=int(rest), behind=end) for end in ends]


def parts(release: Release) -> dict[str, Array]:
    """Encodings, labels and further arrays as released, those that are compressed unpacked besides.

    Further arrays are named by their place, for names may change with the images.
    """
    out = {"encodings": release.raw.get("encodings", release.encodings)}
    if release.labels is not None:
        out["labels"] = release.raw.get("labels", release.labels)
    for i, value in enumerate(release.extra.values()):
        out[f"extra {i + 1}"] = value
        for words, unpacked in _unpacked(value):
            out[f"extra {i + 1}, {words}"] = unpacked
    names = "".join(release.extra).encode("utf-8", "surrogatepass")
    if len(names) > 512:  # nobody needs so many words to name an array
        out["names of extra arrays"] = np.frombuffer(names, np.uint8)
        with contextlib.suppress(ValueError):
            out["names of extra arrays, in hexadecimal"] = np.frombuffer(bytes.fromhex(names.decode()), np.uint8)
    return out


def bytes_of(a: Array) -> NDArray[np.uint8]:
    """uint8 (n, d): the bytes of each row, of the lowest first."""
    flat = np.ascontiguousarray(a.reshape(len(a), -1))
    if flat.dtype == bool:
        return flat.view(np.uint8)
    return flat.astype(flat.dtype.newbyteorder("<"), copy=False).view(np.uint8)


def _unpacked(a: Array) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """What an array becomes when it is decompressed, also where every byte was combined with one constant."""
    data = np.ascontiguousarray(a).tobytes()
    if len(data) < 32:
        return
    start = np.frombuffer(data[:8], np.uint8)
    for key in range(256):
        head = (start ^ np.uint8(key)).tobytes()
        for mark, name in HEADS:
            if head.startswith(mark):
                plain = data if not key else (np.frombuffer(data, np.uint8) ^ np.uint8(key)).tobytes()
                with contextlib.suppress(Exception):  # a few bytes look alike by chance
                    out = _UNPACK[name](plain)
                    if len(out) >= 64:
                        yield (
                            f"unpacked by {name}" + (f" after exclusive or with {key}" if key else ""),
                            np.frombuffer(out, np.uint8),
                        )


def _inflate(data: bytes, bits: int) -> bytes:
    return zlib.decompressobj(bits).decompress(data, MAX_BYTES)


_UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "zlib": lambda data: _inflate(data, 15),
    "gzip": lambda data: _inflate(data, 31),
    "bz2": lambda data: bz2.BZ2Decompressor().decompress(data, MAX_BYTES),
    "lzma": lambda data: lzma.LZMADecompressor(memlimit=MAX_BYTES).decompress(data, MAX_BYTES),
}
