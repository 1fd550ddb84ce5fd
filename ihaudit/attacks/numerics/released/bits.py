"""Bits of images that stand in a release bit by bit, wherever, in whatever order, negated or not.

A constant place of the release that follows one bit of the images through some hundred of them does so by no chance:
the two columns of bits are equal, or one is the other's negative.  That needs no search, for columns can be looked up.
It reads whatever moves bits and combines them with constants: shuffles, pads, planes, low bits, packed words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from ihaudit.attacks.numerics.released.names import named

#: How often the rarer value of a bit must occur among the known images, for its column to be told from others.
RARER = 8
#: Share of an image's most significant bits that must be found, for images to be read off.
ENOUGH = 0.25
#: Columns of bits that are looked at, at most.
MAX_COLUMNS = 8_000_000


@dataclass(frozen=True)
class Level:
    """Images as whole numbers: at `edge` of their size (1, 1/2, ...), grey or not, in so many bits."""

    shrink: int
    grey: bool
    bits: int

    @property
    def words(self) -> str:
        """For reports."""
        what = "pixels" if self.shrink == 1 else f"pixels at 1/{self.shrink} of the size"
        return f"{self.bits}-bit {'grey ' if self.grey else ''}{what}"

    def numbers(self, images: NDArray[np.float32]) -> NDArray[np.uint8] | None:
        """uint8 (n, h, w, c) of float32 images in [0, 1]; None where they cannot be shrunk so."""
        n, h, w, c = images.shape
        s = self.shrink
        if h % s or w % s or h // s < 2 or (self.grey and c == 1):
            return None
        x = images.reshape(n, h // s, s, w // s, s, c).mean((2, 4)) if s > 1 else images
        if self.grey:
            x = x.mean(-1, keepdims=True)
        numbers: NDArray[np.uint8] = np.rint(x * (2**self.bits - 1)).astype(np.uint8)
        return numbers

    def images(self, values: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
        """float32 (n, *shape) in [0, 1] from numbers (n, h, w, c)."""
        x = values / (2**self.bits - 1)
        if self.shrink > 1:
            x = zoom(x, (1, self.shrink, self.shrink, 1), order=1, mode="nearest", grid_mode=True)
        return np.ascontiguousarray(np.broadcast_to(x, (len(x), *shape)), np.float32)


LEVELS = (
    *(Level(1, False, bits) for bits in (8, 7, 6, 5, 4)),
    Level(1, True, 8),
    Level(2, False, 8),
    Level(2, True, 8),
    Level(4, False, 8),
    Level(4, True, 8),
    Level(8, False, 8),
    Level(8, True, 8),
)


@dataclass(frozen=True, eq=False)
class BitInverse:
    """Which bit of the release is which bit of the images.

    Attributes:
        level: the images' numbers.
        shape: (H, W, C) of images.
        column: int64 (values, bits), the released bit that is this one of the images, the lowest first; -1 for none.
        negated: bool, of the same shape.
        mean: float32 (values, bits), what stands for a bit that was not found.
        found: share of the bits, by their weight.
    """

    level: Level
    shape: tuple[int, ...]
    column: NDArray[np.int64]
    negated: NDArray[np.bool_]
    mean: NDArray[np.float32]
    found: float

    @property
    def words(self) -> str:
        """For reports."""
        return f"bit by bit: {self.found:.0%} of the {self.level.words} stand in it as they are, or negated"

    def __call__(self, rows: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 (n, H, W, C) from the bytes (n, d) of released rows."""
        known = self.column >= 0
        place = np.where(known, self.column, 0)
        bit = (rows[:, place // 8] >> (place % 8).astype(np.uint8)) & 1
        bit = np.where(known, bit ^ self.negated, self.mean).astype(np.float32)
        weight = (2.0 ** np.arange(self.level.bits)).astype(np.float32)
        h, w, c = self.shape
        s = self.level.shrink
        numbers = (bit @ weight).reshape(len(rows), h // s, w // s, 1 if self.level.grey else c)
        return self.level.images(numbers, self.shape)


def fit_bits(images: NDArray[np.float32], rows: NDArray[np.uint8]) -> list[BitInverse]:
    """The images' bits that stand in rows of bytes, for every level of which enough is found.

    Args:
        images: float32 (n, H, W, C) in [0, 1].
        rows: uint8 (n, d), row i released of image i.
    """
    if len(images) < 4 * RARER or not rows.size or rows.shape[1] * 8 > MAX_COLUMNS:
        return []
    columns, place = _columns(rows)
    if not len(columns):
        return []
    names, where = np.unique(columns, return_index=True)
    first = place[where]
    out = []
    for level in LEVELS:
        numbers = level.numbers(images)
        if numbers is None:
            continue
        flat = numbers.reshape(len(images), -1)
        wanted, index = _columns(flat)
        at = np.searchsorted(names, wanted)
        at[at == len(names)] = 0
        hit = names[at] == wanted
        column = np.full(flat.shape[1] * 8, -1, np.int64)
        column[index[hit]] = first[at[hit]]
        table = column.reshape(-1, 8)[:, : level.bits]
        plane = (flat[:, :, None] >> np.arange(level.bits, dtype=np.uint8)) & 1
        mean = plane.mean(0, dtype=np.float64).astype(np.float32)
        weight = 2.0 ** np.arange(level.bits)
        found = float(((table >= 0) @ weight).mean() / weight.sum())
        if float((table[:, -1] >= 0).mean()) < ENOUGH and found < ENOUGH:
            continue
        place = np.where(table >= 0, table, 0)
        seen = (rows[0][place // 8] >> (place % 8).astype(np.uint8)) & 1
        out.append(BitInverse(level, images.shape[1:], table, seen != plane[0], mean, found))
        if found > 0.9:
            break
    return out


def _columns(rows: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Names of the columns of bits of (n, d) bytes that vary enough, and which bit (8 * byte + bit) each is.

    A name is the column itself, less whether it starts with 0 or 1.
    """
    n = len(rows)
    keys, index = [], []
    for bit in range(8):
        plane = ((rows >> np.uint8(bit)) & 1).astype(bool)
        ones = plane.sum(0)
        kept = np.flatnonzero((ones >= RARER) & (ones <= n - RARER))
        if not len(kept):
            continue
        keys.append(named(np.packbits(plane[:, kept] ^ plane[0, kept], axis=0)))
        index.append(kept * 8 + bit)
    if not keys:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    return np.concatenate(keys), np.concatenate(index).astype(np.int64)
