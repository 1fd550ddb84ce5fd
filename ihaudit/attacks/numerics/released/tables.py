"""Values of images that were only renamed: one by one through tables, wherever they stand in the release.

Which images show the same value at a pixel, and which do not, is a pattern that no renaming of values changes.  A place
of the release with the pattern of a pixel is that pixel, and the known images give its table.  It reads constant tables
of bytes and images stored as other numbers (floats, products, exclusive or with constants), in whatever order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.names import named

#: A pattern counts where so many images share a value with an earlier one, and so many have another than the most.
TOLD = 12
#: Share of the pixels that must be found.
ENOUGH = 0.25
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
        mean: float32 (P,).
        found: share of the pixels.
    """

    shape: tuple[int, ...]
    place: NDArray[np.int64]
    known: NDArray[np.uint64]
    values: NDArray[np.float32]
    common: tuple[NDArray[np.uint64], NDArray[np.float32]]
    mean: NDArray[np.float32]
    found: float

    @property
    def words(self) -> str:
        """For reports."""
        return f"value by value: {self.found:.0%} of the pixels stand in it under other names"

    def __call__(self, rows: NDArray[np.uint64]) -> NDArray[np.float32]:
        """float32 (n, H, W, C) from released rows (n, d)."""
        out = np.broadcast_to(self.mean, (len(rows), len(self.place))).copy()
        keys, pixels = self.common
        for p in np.flatnonzero(self.place >= 0):
            seen = rows[:, self.place[p]]
            if len(keys):
                at = np.clip(np.searchsorted(keys, seen), 0, len(keys) - 1)
                out[:, p] = np.where(keys[at] == seen, pixels[at], out[:, p])
            else:
                order = np.argsort(self.known[:, p], kind="stable")
                at = np.clip(np.searchsorted(self.known[order, p], seen), 0, len(order) - 1)
                same = self.known[order[at], p] == seen
                out[:, p] = np.where(same, self.values[order[at], p], out[:, p])
        return out.reshape(len(rows), *self.shape)


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
    patterns, place = _patterns(rows)
    wanted, index = _patterns(np.ascontiguousarray(pixels).view(np.uint32).astype(np.uint64))
    if not len(patterns) or not len(wanted):
        return None
    names, where = np.unique(patterns, return_index=True)
    at = np.searchsorted(names, wanted)
    at[at == len(names)] = 0
    hit = names[at] == wanted
    found = np.full(pixels.shape[1], -1, np.int64)
    found[index[hit]] = place[where[at[hit]]]
    share = float((found >= 0).mean())
    if share < ENOUGH:
        return None
    released = rows[:, np.where(found >= 0, found, 0)]
    kept = found >= 0
    keys, first, inverse = np.unique(released[:, kept].reshape(-1), return_index=True, return_inverse=True)
    flat = pixels[:, kept].reshape(-1)
    common = (keys, flat[first]) if np.array_equal(flat[first][inverse.reshape(-1)], flat) else (keys[:0], flat[:0])
    return TableInverse(images.shape[1:], found, released, pixels, common, pixels.mean(0), share)


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
        kept = np.flatnonzero((groups <= n - TOLD) & (largest <= n - TOLD))
        if len(kept):
            names.append(named(pattern[:, kept]))
            index.append(kept + start)
    if not names:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    return np.concatenate(names), np.concatenate(index).astype(np.int64)
