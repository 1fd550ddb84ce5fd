"""Bits of images that are the exclusive or of two released bits, wherever these stand.

A pad beside what it hides, in the other half of a row, in another array, in the last bits of floats, in whatever order:
each bit of an image is then the sum modulo 2 of two columns of the release.  Sums modulo 256 are that in their lowest
bits, which tell the places.  Of two columns, one and the image's bit name the other, which is looked up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.screen import LEAST, RARER, ROWS, prints, rare

#: Pixels of which two bits are looked for first, and the share that must be found.
SAMPLE, ENOUGH = 24, 0.25
#: Columns of bits that are looked at, at most.
MAX_COLUMNS = 600_000
#: Bits of a table that says at once of most numbers that they are no column.
TABLE = 22
#: Bits of a pixel that are looked for by themselves where they do not stand beside the highest.
ALONE = 4
LOWEST, HIGHEST = 0, 7

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class PairInverse:
    """Which two bits of the release make which bit of the images.

    Attributes:
        shape: (H, W, C) of images.
        columns: int64 (pixels, 8, 2), the released bits, 8 * byte + bit, the lowest of the images first; -1 for none.
        negated: bool (pixels, 8).
        mean: float32 (pixels, 8), what stands for a bit that was not found.
        found: share of the bits, by their weight.
    """

    shape: tuple[int, ...]
    columns: NDArray[np.int64]
    negated: NDArray[np.bool_]
    mean: NDArray[np.float32]
    found: float

    @property
    def words(self) -> str:
        """For reports."""
        return f"bit by bit: {self.found:.0%} of the 8-bit pixels are the exclusive or of two places of it"

    def __call__(self, rows: Bytes) -> NDArray[np.float32]:
        """float32 (n, H, W, C) in [0, 1] from the bytes (n, d) of released rows."""
        known = self.columns[..., 0] >= 0
        at = np.where(known[..., None], self.columns, 0)
        bits = (rows[:, at // 8] >> (at % 8).astype(np.uint8)) & 1
        bit = np.where(known, bits[..., 0] ^ bits[..., 1] ^ self.negated, self.mean).astype(np.float32)
        out: NDArray[np.float32] = (bit @ (2.0 ** np.arange(8)).astype(np.float32)) / np.float32(255)
        return out.reshape(len(rows), *self.shape)


@dataclass(frozen=True, eq=False)
class SumInverse:
    """Which two bytes of the release make which pixel, by a sum or difference modulo 256.

    Attributes:
        shape: (H, W, C) of images.
        places: int64 (pixels, 2), bytes of a row; -1 for none.
        signs: (+-1, +-1) of the two; constant: uint8 (pixels,), what is added.
        mean: float32 (pixels,), what stands for a pixel that was not found.
        found: share of the pixels.
    """

    shape: tuple[int, ...]
    places: NDArray[np.int64]
    signs: tuple[int, int]
    constant: Bytes
    mean: NDArray[np.float32]
    found: float

    @property
    def words(self) -> str:
        """For reports."""
        return f"value by value: {self.found:.0%} of the pixels are a sum modulo 256 of two places of it"

    def __call__(self, rows: Bytes) -> NDArray[np.float32]:
        """float32 (n, H, W, C) in [0, 1] from the bytes (n, d) of released rows."""
        known = self.places[:, 0] >= 0
        at = np.where(known[:, None], self.places, 0)
        made = _sum(rows, at, self.signs) + self.constant
        out: NDArray[np.float32] = np.where(known, made / np.float32(255), self.mean).astype(np.float32)
        return out.reshape(len(rows), *self.shape)


def fit_pairs(images: NDArray[np.float32], rows: Bytes) -> PairInverse | SumInverse | None:
    """The images' bits, or their values, as sums of two places of rows of bytes; None where they are none.

    Args:
        images: float32 (n, H, W, C) in [0, 1].
        rows: uint8 (n, d), row i released of image i.
    """
    n, rng = len(images), np.random.default_rng(0)  # which bits are looked for first
    if n < LEAST or rows.shape[1] < 2 or rows.shape[1] * 8 > MAX_COLUMNS:
        return None
    flat = np.rint(images * 255).astype(np.uint8).reshape(n, -1)
    wanted = [prints(flat[start : start + ROWS]) for start in (0, ROWS)]
    told = rare(flat[:ROWS]) >= RARER
    book = Book(rows)
    for bit in (HIGHEST, LOWEST):
        some = rng.permutation(np.flatnonzero(told[bit]))[:SAMPLE]
        seen = [book.partners(wanted[0][bit, p], wanted[1][bit, p])[0] >= 0 for p in some]
        if len(some) and np.mean(seen) >= ENOUGH:
            break
    else:
        return None
    first = np.full((flat.shape[1], 2), -1, np.int64)
    for p in np.flatnonzero(told[bit]):
        first[p] = book.partners(wanted[0][bit, p], wanted[1][bit, p])
    if bit == LOWEST:
        return _sums(images, flat, rows, first // 8)
    return _bits(images, flat, rows, first, book, wanted)


class Book:
    """The columns of bits of rows of bytes, to be looked up by their first rows."""

    def __init__(self, rows: Bytes) -> None:
        a, b = (prints(rows[start : start + ROWS]).ravel() for start in (0, ROWS))
        d = rows.shape[1]
        name = (np.arange(d)[None] * 8 + np.arange(8)[:, None]).ravel()
        kept = np.flatnonzero(a != 0)
        order = kept[np.argsort(a[kept], kind="stable")]
        self.a, self.b, self.name = a[order], b[order], name[order]
        self.shift = np.uint64(64 - TABLE)
        self.there = np.zeros(1 << TABLE, bool)
        self.there[(self.a >> self.shift).astype(np.int64)] = True

    def partners(self, a: np.uint64, b: np.uint64) -> tuple[int, int]:
        """The names of two columns whose exclusive or has these prints, or (-1, -1)."""
        rest = self.a ^ a
        maybe = np.flatnonzero(self.there[(rest >> self.shift).astype(np.int64)])
        if len(maybe):
            at = np.minimum(np.searchsorted(self.a, rest[maybe]), len(self.a) - 1)
            same = (self.a[at] == rest[maybe]) & (self.b[at] ^ self.b[maybe] == b) & (at != maybe)
            if same.any():
                i = int(np.argmax(same))
                return int(self.name[maybe[i]]), int(self.name[at[i]])
        return -1, -1


def _bits(
    images: NDArray[np.float32],
    flat: Bytes,
    rows: Bytes,
    first: NDArray[np.int64],
    book: Book,
    wanted: list[NDArray[np.uint64]],
) -> PairInverse | None:
    """All bits of pixels whose highest bits are known: beside these, or by themselves."""
    columns = np.full((flat.shape[1], 8, 2), -1, np.int64)
    negated = np.zeros((flat.shape[1], 8), bool)
    d = rows.shape[1] * 8
    for bit in range(8):
        truth = (flat >> np.uint8(bit)) & 1
        guess = first - (HIGHEST - bit)
        ok = (first >= 0).all(1) & (guess >= 0).all(1) & (guess < d).all(1)
        at = np.where(ok[:, None], guess, 0)
        bits = (rows[:, at // 8] >> (at % 8).astype(np.uint8)) & 1
        made = (bits[..., 0] ^ bits[..., 1] ^ truth).astype(np.uint8)
        ok &= (made == made[:1]).all(0)
        columns[ok, bit], negated[ok, bit] = guess[ok], made[0][ok].astype(bool)
        if bit < 8 - ALONE or bit == HIGHEST:
            continue
        for p in np.flatnonzero(~ok & (first >= 0).all(1)):
            found = book.partners(wanted[0][bit, p], wanted[1][bit, p])
            if found[0] >= 0:
                columns[p, bit] = found
                i, j = found
                one = ((rows[0, i // 8] >> (i % 8)) ^ (rows[0, j // 8] >> (j % 8)) ^ truth[0, p]) & 1
                negated[p, bit] = bool(one)
    weight = 2.0 ** np.arange(8)
    share = float(((columns[..., 0] >= 0) @ weight).mean() / weight.sum())
    if share < ENOUGH:
        return None
    mean = np.stack([((flat >> np.uint8(b)) & 1).mean(0) for b in range(8)], 1).astype(np.float32)
    return PairInverse(images.shape[1:], columns, negated, mean, share)


def _sums(images: NDArray[np.float32], flat: Bytes, rows: Bytes, places: NDArray[np.int64]) -> SumInverse | None:
    """Pixels as sums modulo 256 of the bytes that hold their lowest bits."""
    known: NDArray[np.bool_] = np.all(places >= 0, axis=1)
    at = np.where(known[:, None], places, 0)
    for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        rest: Bytes = flat - _sum(rows, at, signs)
        ok: NDArray[np.bool_] = known & (rest == rest[:1]).all(0)
        if ok.mean() < ENOUGH:
            continue
        chosen = np.where(ok[:, None], places, -1)
        return SumInverse(images.shape[1:], chosen, signs, rest[0], flat.mean(0).astype(np.float32) / 255, ok.mean())
    return None


def _sum(rows: Bytes, at: NDArray[np.int64], signs: tuple[int, int]) -> Bytes:
    a, b = (rows[:, at[:, i]] if s > 0 else -rows[:, at[:, i]] for i, s in enumerate(signs))
    return a + b
