"""Bytes that are what two pixels make together, in any order: exclusive or, differences and sums of unknown neighbours.

The lowest bit of each released byte is then that of two pixels, which are looked up.  Pixels are joined by what their
difference is, so that one byte of an image says all others; of its 256 values the one is taken that leaves a picture.
A byte of each row's own, combined with all its values, goes where values are compared with the first of the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.pairs import Book
from ihaudit.attacks.numerics.released.screen import LEAST, ROWS, prints
from ihaudit.attacks.numerics.released.shared_pads import roughness

#: Places that are looked up first, the share of which two pixels must make, and that of pixels that must be joined.
SAMPLE, ENOUGH = 32, 0.5
#: Values of a row at most.
MAX_VALUES = 16_384
#: How much being like the mean image counts beside smoothness, which a negative has as well.
LIKE = 0.05

Codes = NDArray[np.uint8]
#: Signs of the two pixels in a sum.
SIGNS = ((1, -1), (-1, 1), (1, 1), (-1, -1))


@dataclass(frozen=True, eq=False)
class Joined:
    """Images from what pairs of pixels make.

    Attributes:
        shape: (H, W, C) of images.
        relative: values are compared with the first of their row.
        exclusive: pixels make exclusive ors, not sums modulo 256.
        steps: int64 (S, 3), in order: the place of a row that says pixel 2 where pixel 1 is known; the first of all is
            the pixel of which all values are tried.
        signs: int64 (S, 2): those of the known pixel and of the other.
        constant: uint8 (S,), what is combined with the place besides.
        mean: float32 (P,), of images.
    """

    shape: tuple[int, ...]
    relative: bool
    exclusive: bool
    steps: NDArray[np.int64]
    signs: NDArray[np.int64]
    constant: Codes
    mean: NDArray[np.float32]

    @property
    def words(self) -> str:
        """For reports."""
        what = "the exclusive or" if self.exclusive else "sums or differences modulo 256"
        first = " compared with the first of their row" if self.relative else ""
        return f"values{first} are {what} of two pixels, which joins {len(self.steps) + 1} pixels"

    def __call__(self, rows: Codes) -> NDArray[np.float32]:
        """float32 (n, H, W, C) in [0, 1] from rows of bytes (n, d)."""
        given = _relative(rows, self.exclusive) if self.relative else rows
        out = np.broadcast_to(self.mean, (len(rows), len(self.mean))).copy()
        known = np.r_[self.steps[0, 1], self.steps[:, 2]]
        for i, row in enumerate(given):
            made = np.zeros((256, len(self.mean)), np.uint8)
            made[:, self.steps[0, 1]] = np.arange(256)
            for (place, one, two), (own, other), constant in zip(self.steps, self.signs, self.constant, strict=True):
                if self.exclusive:
                    made[:, two] = made[:, one] ^ row[place] ^ constant
                else:
                    rest = row[place] - constant - _signed(made[:, one], own)
                    made[:, two] = _signed(rest, other)
            tried = np.broadcast_to(self.mean, (256, len(self.mean))).copy()
            tried[:, known] = made[:, known] / np.float32(255)
            unlike = np.abs(tried - self.mean).mean(1)
            out[i] = tried[int(np.argmin(roughness(tried.reshape(-1, *self.shape)) + LIKE * unlike))]
        return out.reshape(len(rows), *self.shape)


def fit_joined(images: NDArray[np.float32], rows: Codes) -> Joined | None:
    """Which two pixels make each place of rows of bytes (n, d); None where two do not.

    Args:
        images: float32 (n, H, W, C) in [0, 1].
        rows: uint8 (n, d), row i released of image i.
    """
    n, size = len(images), int(np.prod(images.shape[1:]))
    if n < LEAST or not 2 <= rows.shape[1] <= MAX_VALUES or size > MAX_VALUES:
        return None
    plain = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8).reshape(n, -1)
    book = Book(plain & np.uint8(1))
    for relative in (False, True):
        given = _relative(rows, True) & np.uint8(1) if relative else rows & np.uint8(1)
        wanted = [prints(given[start : start + ROWS])[0] for start in (0, ROWS)]
        told = np.flatnonzero(wanted[0] != 0)
        some = np.random.default_rng(0).permutation(told)[:SAMPLE]
        if not len(some) or np.mean([book.partners(wanted[0][j], wanted[1][j])[0] >= 0 for j in some]) < ENOUGH:
            continue
        pairs = np.full((rows.shape[1], 2), -1, np.int64)
        for j in told:
            pairs[j] = book.partners(wanted[0][j], wanted[1][j])
        places = np.flatnonzero((pairs >= 0).all(1))
        for exclusive in (True, False):
            seen = _relative(rows, exclusive) if relative else rows
            found = _walked(plain, seen, pairs // 8, places, exclusive)
            if found is not None:
                mean = images.mean(0).reshape(-1).astype(np.float32)
                return Joined(images.shape[1:], relative, exclusive, *found, mean)
    return None


def _relative(rows: Codes, exclusive: bool) -> Codes:
    out: Codes = rows ^ rows[:, :1] if exclusive else rows - rows[:, :1]
    return out


def _walked(
    plain: Codes, rows: Codes, pairs: NDArray[np.int64], places: NDArray[np.int64], exclusive: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], Codes] | None:
    """Steps, signs and constants from one pixel to all that places join with it; None where these are too few."""
    a, b = plain[:, pairs[places, 0]], plain[:, pairs[places, 1]]
    seen = rows[:, places]
    edges: dict[int, list[tuple[int, int, int, int, int]]] = {}
    right = np.zeros(len(places), bool)
    for own, other in SIGNS[:1] if exclusive else SIGNS:
        rest = seen ^ a ^ b if exclusive else seen - (_signed(a, own) + _signed(b, other))
        ok = (rest == rest[:1]).all(0) & ~right
        right |= ok
        for place, constant in zip(places[ok].tolist(), rest[0, ok].tolist(), strict=True):
            one, two = pairs[place].tolist()
            edges.setdefault(one, []).append((place, two, own, other, constant))
            edges.setdefault(two, []).append((place, one, other, own, constant))
    if right.mean() < ENOUGH:
        return None
    best: list[Any] = []
    left = set(edges)
    while len(left) > len(best):
        start = left.pop()
        steps, queue, known = [], [start], {start}
        while queue:
            one = queue.pop()
            for place, two, own, other, constant in edges[one]:
                if two not in known:
                    known.add(two)
                    queue.append(two)
                    steps.append((place, one, two, own, other, constant))
        left -= known
        best = max(best, steps, key=len)
    if len(best) + 1 < ENOUGH * plain.shape[1]:
        return None
    table = np.array(best, np.int64)
    return table[:, :3], table[:, 3:5], table[:, 5].astype(np.uint8)


def _signed(a: Codes, sign: int) -> Codes:
    out: Codes = a if sign > 0 else -a
    return out
