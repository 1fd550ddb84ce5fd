"""Values of images that were only renamed: one by one through tables, wherever they stand in the release.

Which images show the same value at a pixel, and which do not, is a pattern that no renaming of values changes.  A place
of the release with the pattern of a pixel is that pixel, and the known images give its table.  It reads constant tables
of bytes and images stored as other numbers (floats, products, exclusive or with constants), in whatever order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ihaudit.attacks.numerics.released.names import named

#: A pattern counts where so many images share a value with an earlier one, and so many have another than the most: of
#: 75 images each one's value is one of 2,775 pairs, so that five that are equal occur elsewhere by no chance.
SHARED, TOLD = 5, 12
#: Share of the pixels that vary which must be found.
ENOUGH = 0.25
#: Width in pixels of the mean of neighbours that stands for a value which no known image has.
NEAR = 0.8
#: Places that are looked at, at most.
MAX_PLACES = 400_000


@dataclass(frozen=True, eq=False)
class TableInverse:
    """Which place of the release is which pixel value, and what its values stand for.

    Attributes:
        shape: (H, W, C) of images.
        place: int64 (P,), -1 for none.
        known: (n, P), the released values of known images at these places; `values`, float32 (n, P), the pixels'.
        common: one table of all places, sorted: released values and pixels; empty where places have their own.
        sums: int64 (2, P), what is to be taken off a released byte, or it off which, for the byte of the pixel modulo
            256; -1 where known images show no such constant.
        mean: float32 (P,).
        found: share of the pixels that vary.
    """

    shape: tuple[int, ...]
    place: NDArray[np.int64]
    known: NDArray[np.uint64]
    values: NDArray[np.float32]
    common: tuple[NDArray[np.uint64], NDArray[np.float32]]
    sums: NDArray[np.int64]
    mean: NDArray[np.float32]
    found: float

    @property
    def words(self) -> str:
        """For reports."""
        return f"value by value: {self.found:.0%} of the pixels stand in it under other names"

    def __call__(self, rows: NDArray[np.uint64]) -> NDArray[np.float32]:
        """float32 (n, H, W, C) from released rows (n, d)."""
        out = np.broadcast_to(self.mean, (len(rows), len(self.place))).copy()
        read = np.zeros(out.shape, bool)
        keys, pixels = self.common
        for p in np.flatnonzero(self.place >= 0):
            seen = rows[:, self.place[p]]
            if len(keys):
                at = np.clip(np.searchsorted(keys, seen), 0, len(keys) - 1)
                value, read[:, p] = pixels[at], keys[at] == seen
            elif self.sums[0, p] >= 0 or self.sums[1, p] >= 0:
                less, from_ = self.sums[:, p]
                byte = seen.astype(np.int64) - less if less >= 0 else from_ - seen.astype(np.int64)
                value, read[:, p] = ((byte & 255) / 255).astype(np.float32), True
            else:
                order = np.argsort(self.known[:, p], kind="stable")
                at = np.clip(np.searchsorted(self.known[order, p], seen), 0, len(order) - 1)
                value, read[:, p] = self.values[order[at], p], self.known[order[at], p] == seen
            out[:, p] = np.where(read[:, p], value, out[:, p])
        read[:, np.ptp(self.values, axis=0) == 0] = True
        return _filled(out.reshape(len(rows), *self.shape), read.reshape(len(rows), *self.shape))


def _filled(images: NDArray[np.float32], read: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Images with what was not read of them from the pixels around, where some of these were."""
    if read.all() or images.ndim != 4:
        return images
    width = (0, NEAR, NEAR, 0)
    weight = gaussian_filter(read.astype(np.float32), width)
    near = gaussian_filter(np.where(read, images, 0).astype(np.float32), width) / np.maximum(weight, 1e-6)
    return np.where(read | (weight < 0.05), images, near).astype(np.float32)


def fit_tables(images: NDArray[np.float32], rows: NDArray[np.uint64]) -> TableInverse | None:
    """Pixels that stand in the rows under other names; None where they do not.

    Args:
        images: float32 (n, H, W, C).
        rows: uint64 (n, d), any numbers; row i released of image i.
    """
    n = len(images)
    if n < 4 * TOLD or not rows.shape[1] or rows.shape[1] > MAX_PLACES:
        return None
    pixels = images.reshape(n, -1)
    vary = float((np.ptp(pixels, axis=0) > 0).mean())
    found = _looked_up(*_patterns(np.ascontiguousarray(pixels).view(np.uint32).astype(np.uint64)), *_patterns(rows))
    found = np.r_[found, np.full(pixels.shape[1] - len(found), -1)]
    kept = found >= 0
    table = _common(rows[:, found[kept]], pixels[:, kept]) if kept.mean() >= ENOUGH * vary else None
    byte = _bytes(rows, pixels)
    if table is not None:  # values that are renamed alike are compared as they were
        keys, values = table
        at = np.clip(np.searchsorted(keys, rows), 0, len(keys) - 1)
        told = (keys[at] == rows).all(0)
        more = _looked_up(*_columns(pixels), *_columns(np.where(told, values[at], -1)))
    elif byte is not None:  # the lowest bit of a sum is that of its parts, exclusive or
        more = _looked_up(*_columns(byte[1] & 1), *_columns(byte[0] & 1))
        right = _sums(rows[:, np.maximum(more, 0)], pixels[:, : len(more)]).max(0) >= 0
        more = np.where(right, more, -1)
    else:
        more = found[:0]
    some = np.flatnonzero(more >= 0)
    found[some] = np.where(found[some] >= 0, found[some], more[some])
    share = float((found >= 0).mean()) / max(vary, 1e-9)
    if share < ENOUGH:
        return None
    released: NDArray[np.uint64] = rows[:, np.maximum(found, 0)]
    empty = np.zeros(0, np.uint64), np.zeros(0, np.float32)
    sums = _sums(released, pixels)
    return TableInverse(
        images.shape[1:], found, released, pixels, table or empty, sums, pixels.mean(0), min(1.0, share)
    )


def lowest_bits(images: NDArray[np.float32], rows: NDArray[np.uint8]) -> float:
    """The share of the pixels whose lowest bit is that of a byte of the rows, as it is or negated.

    It costs little, and tells whether bytes are the pixels' under sums modulo 256 or exclusive or with constants.
    """
    pixels = images.reshape(len(images), -1)
    byte = _bytes(rows.astype(np.uint64), pixels)
    if byte is None:
        return 0.0
    found = _looked_up(*_columns(byte[1] & 1), *_columns(byte[0] & 1))
    return float((found >= 0).sum()) / max(1, pixels.shape[1])


def _looked_up(
    wanted: NDArray[np.uint64], index: NDArray[np.int64], names: NDArray[np.uint64], place: NDArray[np.int64]
) -> NDArray[np.int64]:
    """int64 (P,), the place whose name is that of column `index`; -1 for none, and up to the last column with one."""
    found = np.full(int(index.max(initial=-1)) + 1, -1, np.int64)
    if not len(names) or not len(wanted):
        return found
    names, where = np.unique(names, return_index=True)
    at = np.searchsorted(names, wanted)
    at[at == len(names)] = 0
    hit = names[at] == wanted
    found[index[hit]] = place[where[at[hit]]]
    return found


def _columns(values: NDArray[np.generic]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Names of columns that vary, up to which of two values a bit has, and which these are."""
    kept = np.flatnonzero((values != values[0]).sum(0) >= SHARED)
    if not len(kept):
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    some = np.ascontiguousarray(values[:, kept])
    if some.dtype.kind in "iu" and int(some.max()) <= 1:
        some = (some ^ some[0]).astype(np.uint8)
    return named(some.view(np.uint8).reshape(len(some), len(kept), -1).swapaxes(1, 2).reshape(-1, len(kept))), kept


def _common(
    released: NDArray[np.uint64], pixels: NDArray[np.float32]
) -> tuple[NDArray[np.uint64], NDArray[np.float32]] | None:
    """One table of released values and pixels, where each released value stands for one."""
    keys, first, inverse = np.unique(released.reshape(-1), return_index=True, return_inverse=True)
    flat = pixels.reshape(-1)
    return (keys, flat[first]) if np.array_equal(flat[first][inverse.reshape(-1)], flat) else None


def _bytes(rows: NDArray[np.uint64], pixels: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Rows and pixels as bytes, or None where they are none."""
    byte = np.rint(pixels * 255)
    if rows.max(initial=0) > 255 or float(np.abs(byte - pixels * 255).max(initial=0)) > 1e-3:
        return None
    return rows.astype(np.int64), byte.astype(np.int64)


def _sums(released: NDArray[np.uint64], pixels: NDArray[np.float32]) -> NDArray[np.int64]:
    """See `TableInverse.sums`; values that no known image has are read by them as well."""
    out = np.full((2, released.shape[1]), -1, np.int64)
    byte = _bytes(released, pixels)
    if byte is None:
        return out
    for row, sign in zip(out, (-1, 1), strict=True):
        constant = (byte[0] + sign * byte[1]) & 255
        row[:] = np.where((constant == constant[0]).all(0), constant[0], -1)
    return out


def words_of(rows: NDArray[np.uint8], width: int) -> NDArray[np.uint64] | None:
    """uint64 (n, d / width) of rows of bytes, so many to a number; None where they do not come out even."""
    if rows.shape[1] % width or width not in (1, 2, 4, 8):
        return None
    kind = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[width]
    return np.ascontiguousarray(rows).view(kind).astype(np.uint64)


def _patterns(rows: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Names of the columns' patterns, for those that tell them from others, and which columns these are.

    A pattern holds, for each image, the first one with the same value.
    """
    n, d = rows.shape
    names, index = [], []
    for start in range(0, d, 8192):
        part = rows[:, start : start + 8192]
        order = np.argsort(part, axis=0, kind="stable")
        ranked = np.take_along_axis(part, order, 0)
        begins = np.ones(part.shape, bool)
        begins[1:] = ranked[1:] != ranked[:-1]
        begun = np.maximum.accumulate(np.where(begins, np.arange(n)[:, None], 0), axis=0)
        pattern = np.empty(part.shape, np.uint16)
        np.put_along_axis(pattern, order, np.take_along_axis(order, begun, 0).astype(np.uint16), 0)
        groups = begins.sum(0)
        largest = (np.arange(n)[:, None] - begun).max(0) + 1
        kept = np.flatnonzero((groups <= n - SHARED) & (largest <= n - TOLD))
        if len(kept):
            names.append(named(pattern[:, kept]))
            index.append(kept + start)
    if not names:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    return np.concatenate(names), np.concatenate(index).astype(np.int64)
