"""Matrices modulo 256, and over single bits: Hill's cipher, and whatever combines a few bytes by sums or exclusive or.

Sums modulo 256 hide an image from every map of real numbers, and yet a few known pairs give the matrix by elimination:
differences of two pairs do away with constants and streams, and all groups of bytes under one matrix count as samples
(Hill's cipher under known plaintext; Stinson, Cryptography, 1995, section 1.2.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.known_pairs.base import (
    Bytes,
    Encodings,
    Images,
    Inverse,
    as_bytes,
    blocks_of,
    images_of,
    to_bytes,
)

Ints = NDArray[np.int64]

#: values in a row, and edges of square blocks in pixels, that may be combined with each other
ROWS, EDGES = (2, 3, 4, 8, 16), (2, 4)
#: equations beyond the unknowns: each holds by chance with probability 1/2 at most
SPARE = 16
#: equations beyond the unknowns that a matrix of all groups is solved from, and groups that are looked at first
SHARED, PROBE = 400, 4
#: share of the equations left over that must hold
HOLDS = 0.95


@dataclass(frozen=True)
class Groups:
    """How values are dealt into groups: in a row (edge 0), or blocks of edge x edge pixels; as bytes or as bits."""

    shape: tuple[int, int, int]
    size: int
    edge: int
    modulus: int

    @property
    def words(self) -> str:
        """For reports."""
        what = f"{self.edge} x {self.edge} pixels" if self.edge else f"{self.size} values in a row"
        return f"{what}, over single bits" if self.modulus == 2 else f"{what}, modulo 256"

    def of(self, values: Bytes) -> Bytes:
        """Bytes (n, H * W * C) -> (n, G, size)."""
        if self.edge:
            return blocks_of(values.reshape(len(values), *self.shape).astype(np.float32), self.edge).astype(np.uint8)
        return values.reshape(len(values), -1, self.size)

    def difference(self, a: Bytes, b: Bytes) -> Bytes:
        """a less b, as bytes."""
        return a ^ b if self.modulus == 2 else a - b

    def numbers(self, dealt: Bytes) -> Ints:
        """Bytes (..., size) -> (..., m) numbers below the modulus."""
        return (np.unpackbits(dealt, axis=-1) if self.modulus == 2 else dealt).astype(np.int64)

    def images(self, numbers: Ints) -> Images:
        """The inverse of `numbers` and `of`, as images in [0, 1]."""
        values = np.packbits(numbers.astype(np.uint8), axis=2) if self.modulus == 2 else numbers
        pixels = (values / np.float32(255)).astype(np.float32)
        return images_of(pixels, self.shape) if self.edge else pixels.reshape(len(pixels), *self.shape)


@dataclass(frozen=True, eq=False)
class ModularInverse:
    """x = y A + b modulo a number, in every group; A (1 or G, m, m), b (G, m)."""

    groups: Groups
    matrix: Ints
    constant: Ints
    scale: float

    @property
    def words(self) -> str:
        """See `Inverse`."""
        one = "one matrix for all groups" if len(self.matrix) == 1 else "a matrix for every group"
        return f"{one} of {self.groups.words}"

    def __call__(self, encodings: Encodings) -> Images:
        """See `Inverse`."""
        y = self.groups.numbers(self.groups.of(to_bytes(encodings, self.scale)))
        x = np.matmul(y.swapaxes(0, 1), self.matrix).swapaxes(0, 1) + self.constant
        return self.groups.images(x % self.groups.modulus)


def fit_modular(images: Images, encodings: Encodings) -> list[Inverse]:
    """The first layout of groups under which a matrix explains the pairs; needs encodings and images in bytes."""
    if len(images) < 2 or (found := as_bytes(images, encodings)) is None:
        return []
    x, y, scale = found
    h, w, c = (int(v) for v in images.shape[1:])
    layouts = [(m, 0) for m in sorted({*ROWS, c} - {1}) if not images[0].size % m]
    layouts += [(e * e * c, e) for e in EDGES if not h % e and not w % e]
    for size, edge in layouts:
        for modulus in (256, 2) if size <= max(ROWS) else (256,):
            groups = Groups((h, w, c), size, edge, modulus)
            of_x, of_y = groups.of(x), groups.of(y)
            matrix = _matrix(groups, groups.difference(of_x[1:], of_x[0]), groups.difference(of_y[1:], of_y[0]))
            if matrix is not None:
                first = np.matmul(groups.numbers(of_y[0])[:, None], matrix)[:, 0]
                return [ModularInverse(groups, matrix, (groups.numbers(of_x[0]) - first) % modulus, scale)]
    return []


def _matrix(groups: Groups, x: Bytes, y: Bytes) -> Ints | None:
    """A (1 or G, m, m) with x = y A for differences (n, G, size): of all groups, or of each; None where none."""
    n, size = len(x), x.shape[2]
    m = size * 8 if groups.modulus == 2 else size
    flat_x, flat_y = x.reshape(-1, size), y.reshape(-1, size)
    some = np.flatnonzero(flat_x.any(1))
    if len(some) >= m + SPARE:
        some = some[np.linspace(0, len(some) - 1, min(len(some), m + SHARED)).astype(np.int64)]
        found, holds = solve(groups.numbers(flat_x[None, some]), groups.numbers(flat_y[None, some]), groups.modulus)
        if holds[0] > HOLDS:
            return found
    vary = np.flatnonzero(x.any((0, 2)))
    if n < m + SPARE or not len(vary):
        return None
    few = vary[np.linspace(0, len(vary) - 1, min(len(vary), PROBE)).astype(np.int64)]
    for some, least in ((few, 0.5), (np.arange(x.shape[1]), HOLDS)):
        of_x, of_y = (groups.numbers(v[:, some].swapaxes(0, 1)) for v in (x, y))
        found, holds = solve(of_x, of_y, groups.modulus)
        if np.mean(holds[of_x.any((1, 2))] > HOLDS) < least:
            return None
    return found


def solve(x: Ints, y: Ints, modulus: int) -> tuple[Ints, NDArray[np.float64]]:
    """Elimination modulo a power of two, for many systems at once.

    Args:
        x: int64 (G, N, k).
        y: int64 (G, N, m).
        modulus: 2 or 256.

    Returns:
        A, int64 (G, m, k) with x = y A modulo it, 0 where nothing tells, and the share of the equations not used that
        hold, (G,); 0 where no equation could be used.
    """
    g, n, m = y.shape
    mask = np.uint8(modulus - 1)
    rows = (np.concatenate([y, x], axis=2) % modulus).astype(np.uint8)  # bytes are modulo 256 by themselves
    used, at, out = np.zeros((g, n), bool), np.arange(g), np.zeros((g, m, x.shape[2]), np.int64)
    pivots = np.full((g, m), -1)
    for j in range(m):
        odd = (rows[:, :, j] & 1).astype(bool) & ~used
        has, pick = odd.any(1), odd.argmax(1)
        row = rows[at, pick]
        inverse = row[:, j]
        for _ in range(3):  # Newton's iteration doubles the bits that are right
            inverse = inverse * (2 - row[:, j] * inverse)
        row = row * inverse[:, None] & mask
        factor = rows[:, :, j].copy()
        factor[at, pick] = 0
        factor[~has] = 0
        rows = rows - factor[:, :, None] * row[:, None] & mask
        rows[at[has], pick[has]] = row[has]
        used[at[has], pick[has]] = True
        pivots[has, j] = pick[has]
    for j in range(m):
        has = pivots[:, j] >= 0
        out[has, j] = rows[at[has], pivots[has, j], m:]
    right = ((np.matmul(y, out) - x) % modulus == 0).all(2)
    # Differences of nothing say nothing.
    told = ~used & (x.any(2) | y.any(2))
    holds = (right & told).sum(1) / np.maximum(told.sum(1), 1)
    return out, np.where(used.any(1), holds, 0.0)
