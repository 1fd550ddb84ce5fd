"""A release taken apart: encodings, labels and further arrays, by image, as the scheme returned them.

How an array is dealt out to images is found from calls of two sizes: by an axis as long as there are images (or a whole
multiple of it), or by its number of values (so many for each image, and perhaps a few more).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.unpacked import unpacked
from ihaudit.release import Release

Array = NDArray[Any]

#: Rows of one image at most that are looked at together, and where nothing says that a row is made of one image alone.
MAX_ROWS, FEW_ROWS = 32, 4
#: Entries at least of an array whose order may say nothing; numbers at most that its values are counted by, in words.
LISTED, MAX_COUNTED, COUNTED = 256, 8_000_000, "counted"
#: Values beside those of images that an array may hold.
MAX_REST = 4096


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
        open: the array may end before its last image does; what is missing are zeros.
    """

    words: str
    axis: int | None = 0
    rows: int = 1
    blocked: bool = False
    each: int = 0
    rest: int = 0
    behind: bool = False
    open: bool = False

    def count(self, a: Array) -> int:
        """Of how many images an array holds something; 0 where it is not of this kind."""
        if self.open:
            return -(-a.size // self.each)
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
            if self.open:
                flat = np.pad(flat, (0, n * self.each - len(flat)))
            flat = flat[: len(flat) - self.rest] if self.behind else flat[self.rest :]
            return flat.reshape(n, self.each)
        moved = np.moveaxis(a, self.axis, 0)
        if self.rows == 1:
            return moved
        if self.blocked:
            return moved.reshape(self.rows, n, *moved.shape[1:]).swapaxes(0, 1)
        return moved.reshape(n, self.rows, *moved.shape[1:])


def splits(
    arrays: Sequence[Array], counts: Sequence[int], most: int = MAX_ROWS, *, counted: bool = False
) -> list[Split]:
    """How one array of several calls, on `counts` images (at least two numbers), may be dealt out to them.

    `most`: rows of one image at most; `counted`: it ends with the last number that occurs, and so anywhere.
    """
    first = arrays[0]
    found: list[Split] = []
    if len({(a.ndim, a.dtype) for a in arrays}) == 1:
        for axis in range(first.ndim):
            alike = {(*a.shape[:axis], *a.shape[axis + 1 :]) for a in arrays}
            ratios = {a.shape[axis] / n for a, n in zip(arrays, counts, strict=True)}
            rows = next(iter(ratios))
            if len(alike) > 1 or len(ratios) > 1 or rows % 1 or not 1 <= rows <= most:
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
        most_each = max(-(-a.size // n) for a, n in zip(arrays, counts, strict=True))
        within = [most_each * (n - 1) < a.size <= most_each * n for a, n in zip(arrays, counts, strict=True)]
        if not counted or not all(within):
            return []
        return [Split("by the number of values", None, each=most_each, open=True)]
    words = "by the number of values" + (f", of which {rest:g} are left over" if rest else "")
    ends = (False, True) if rest else (False,)
    return [Split(words, None, each=int(each), rest=int(rest), behind=end) for end in ends]


def parts(release: Release) -> dict[str, Array]:
    """Encodings, labels and further arrays as released, and what of them is packed unpacked besides.

    Further arrays are named by their place, for names may change with the images.
    """
    out = {"encodings": release.raw.get("encodings", release.encodings)}
    if release.labels is not None:
        out["labels"] = release.raw.get("labels", release.labels)
    out |= {f"extra {i + 1}": value for i, value in enumerate(release.extra.values())}
    out |= {f"extra {i + 1}, {words}": value for i, words, value in _in_order(list(release.extra.values()))}
    names = "".join(release.extra).encode("utf-8", "surrogatepass")
    if len(names) > 512:  # nobody needs so many words to name an array
        out["names of extra arrays"] = np.frombuffer(names, np.uint8)
        with contextlib.suppress(ValueError):
            out["names of extra arrays, in hexadecimal"] = np.frombuffer(bytes.fromhex(names.decode()), np.uint8)
    for name, value in list(out.items()):
        out |= {f"{name}, {words}": inner for words, inner in unpacked(value)}
    return out


def _in_order(arrays: Sequence[Array]) -> Iterator[tuple[int, str, Array]]:
    """Lists whose order may say nothing, by their index: in ascending order, with arrays beside them, or counted."""
    for i, a in enumerate(arrays):
        if a.dtype.kind not in "iu" or not 1 <= a.ndim <= 2 or len(a) < LISTED or (a.ndim > 1 and a.shape[1] > 4):
            continue
        columns = a.reshape(len(a), -1)
        order = np.lexsort(columns.T[::-1])
        ranked = columns[order]
        if (ranked[1:] != ranked[:-1]).any(1).all():
            if np.array_equal(order, np.arange(len(a))):
                continue
            if a.ndim == 1:
                yield i, "in ascending order", a[order]
            for j, other in enumerate(arrays):
                if j != i and other.ndim and len(other) == len(a):
                    yield j, f"in the order of extra {i + 1}", other[order]
        elif a.ndim == 1 and int(a.min()) >= 0 and LISTED < int(a.max()) < MAX_COUNTED:
            yield i, COUNTED, np.bincount(a)


def bytes_of(a: Array) -> NDArray[np.uint8]:
    """uint8 (n, d): the bytes of each row, of the lowest first."""
    flat = np.ascontiguousarray(a.reshape(len(a), -1))
    if flat.dtype == bool:
        return flat.view(np.uint8)
    return flat.astype(flat.dtype.newbyteorder("<"), copy=False).view(np.uint8)
