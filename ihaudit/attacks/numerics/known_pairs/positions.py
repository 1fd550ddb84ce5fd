"""Permutations of positions: every released value is a value of the image from somewhere else, as it is or negated.

Covers pixel and value permutations, negation and channel order (PE), shuffled, turned and mirrored blocks under one key
(EtC), all in bytes; and learnable encryption (LE, ELE) in 4-bit halves.  A position is told from another by its values
over the known images, as rows of a code: n pairs of b-bit symbols distinguish about 2^(n b) positions, so that a few
pairs are enough (known-plaintext attack on permutation ciphers; Li, Li, Chen and Bourbakis, Signal Process. 2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.known_pairs.base import Encodings, Images, Inverse, blocks_of, images_of

#: two symbols are the same where they differ by less than this share of the range (rounding of 8-bit values is 0.002)
TOLERANCE = 6e-4
#: share of released positions that must be found for the map to count
FOUND = 0.9
#: samples of a shared block map that are looked at
SAMPLES = 4000
#: released positions, and samples of them, that are tried first
PROBE = 64


@dataclass(frozen=True, eq=False)
class Positions:
    """Where the symbols of an encoding come from.

    Attributes:
        source: int64 (Q,), the position in the image of each released position, -1 where unknown.
        negated: bool (Q,).
        found: share of released positions whose source was found.
    """

    source: NDArray[np.int64]
    negated: NDArray[np.bool_]
    found: float


def match_positions(plain: NDArray[np.float32], released: NDArray[np.float32], top: float = 1.0) -> Positions:
    """The source of every released position.

    Args:
        plain: float32 (n, P) symbols of known images, in [0, top].
        released: float32 (n, Q) symbols of their encodings.
        top: the negative of v is top - v.

    Where several sources agree with all samples, each is used once where that is possible (an encoder loses nothing).
    """
    p, q, n = plain.shape[1], released.shape[1], len(plain)
    limit = n * (TOLERANCE * top) ** 2 + 1e-9 * n * top**2
    # What is too far apart over a few samples is so over all.
    few = slice(0, PROBE)
    codes = np.concatenate([plain[few].T, top - plain[few].T]).astype(np.float64)
    some = released[few, np.linspace(0, q - 1, min(q, PROBE)).astype(np.int64)].T.astype(np.float64)
    distance = (some**2).sum(1)[:, None] + (codes**2).sum(1) - 2 * some @ codes.T
    if np.mean((distance < limit).any(1)) < FOUND - 0.2:
        return Positions(np.full(q, -1, np.int64), np.zeros(q, bool), 0.0)
    codes = np.concatenate([plain.T, top - plain.T]).astype(np.float64)  # (2P, n)
    candidates = _within(codes, released.T.astype(np.float64), limit)
    source, negated = np.full(q, -1, np.int64), np.zeros(q, bool)
    used = np.zeros(p, bool)
    for row in sorted(range(q), key=lambda i: len(candidates[i])):
        options = candidates[row]
        if len(options) == 0:
            continue
        free = options[~used[options % p]]
        pick = int((free if len(free) else options)[0])
        source[row], negated[row] = pick % p, pick >= p
        used[pick % p] = True
    return Positions(source, negated, float(np.mean(source >= 0)))


def _within(codes: NDArray[np.float64], rows: NDArray[np.float64], limit: float) -> list[NDArray[np.int64]]:
    """For every row (Q, n), which codes (S, n) lie within a squared distance of `limit`, in order.

    Along one direction two codes differ no more than they do, so that few are left to compare; equal ones (positions
    that are black in all images) are compared once.
    """
    codes, own = np.unique(codes, axis=0, return_inverse=True)
    members = np.split(np.argsort(own.reshape(-1), kind="stable"), np.cumsum(np.bincount(own.reshape(-1)))[:-1])
    rows, same = np.unique(rows, axis=0, return_inverse=True)
    reach = limit**0.5 * (1 + 1e-9)
    direction = np.random.default_rng(0).standard_normal(codes.shape[1])
    direction = direction / float(np.linalg.norm(direction))
    along, wanted = codes @ direction, rows @ direction
    order = np.argsort(along)
    low, high = (np.searchsorted(along[order], wanted + s * reach) for s in (-1, 1))
    found = []
    for row, a, b in zip(rows, low, high, strict=True):
        near = order[a:b]
        near = near[((codes[near] - row) ** 2).sum(1) < limit]
        found.append(np.sort(np.concatenate([members[i] for i in near])) if len(near) else near)
    return [found[i] for i in same.reshape(-1)]


@dataclass(frozen=True)
class Symbols:
    """How released values are cut into the symbols that are permuted.

    Attributes:
        shape: (H, W, C) of the images.
        edge: of the blocks that share one permutation, in pixels; 0 for one permutation over the whole image.
        halves: symbols are the 4-bit halves of bytes (0..15) instead of values (0..1).
        offset, scale: take released values to [0, 1]; permuted and negated values keep their range.
    """

    shape: tuple[int, int, int]
    edge: int
    halves: bool
    offset: float
    scale: float

    @property
    def top(self) -> float:
        """The largest symbol."""
        return 15.0 if self.halves else 1.0

    @property
    def words(self) -> str:
        """What is permuted."""
        what = "4-bit halves of values" if self.halves else "values"
        return f"the {what} in every block of {self.edge} x {self.edge} pixels alike" if self.edge else f"all {what}"

    def of_images(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (n, ..., S) symbols of values in [0, 1]."""
        flat = blocks_of(images, self.edge) if self.edge else images.reshape(len(images), -1)
        return halves(flat) if self.halves else flat

    def of_encodings(self, encodings: Encodings) -> NDArray[np.float32]:
        """float32 (n, ..., S) symbols of released values."""
        return self.of_images((encodings * self.scale + self.offset).astype(np.float32))

    def to_images(self, symbols: NDArray[np.float32]) -> Images:
        """The inverse of `of_images`."""
        flat = joined(symbols) if self.halves else symbols
        return (images_of(flat, self.shape) if self.edge else flat.reshape(len(flat), *self.shape)).astype(np.float32)


def halves(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (..., V) in [0, 1] -> (..., 2 V) in 0..15: the high 4 bits of all bytes, then the low ones."""
    byte = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return np.concatenate([byte >> 4, byte & 15], axis=-1).astype(np.float32)


def joined(symbols: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of `halves`."""
    v = symbols.shape[-1] // 2
    return (symbols[..., :v] * 16 + symbols[..., v:]) / np.float32(255)


@dataclass(frozen=True, eq=False)
class PositionInverse:
    """Puts symbols back where they came from; positions without a source take the mean of the known images."""

    symbols: Symbols
    positions: Positions
    typical: NDArray[np.float32]

    @property
    def words(self) -> str:
        """See `Inverse`."""
        share = float(np.mean(self.positions.negated[self.positions.source >= 0]))
        return f"a permutation of {self.symbols.words}" + (f", {share:.0%} of them negated" if share > 0.01 else "")

    def __call__(self, encodings: Encodings) -> Images:
        """See `Inverse`."""
        symbols = self.symbols.of_encodings(encodings)
        known = self.positions.source >= 0
        values = np.where(self.positions.negated, self.symbols.top - symbols, symbols)[..., known]
        out = np.broadcast_to(self.typical, (*symbols.shape[:-1], len(self.typical))).copy()
        out[..., self.positions.source[known]] = values
        return self.symbols.to_images(out)


def _units(images: Images, encodings: Encodings, in_bytes: bool) -> list[tuple[float, float]]:
    """Offsets and scales that may take released values to [0, 1]: as they are, bytes, or by the range of the images."""
    low, high = float(encodings.min()), float(encodings.max())
    out = []
    if low >= -1e-4 and high <= 1 + 1e-4:
        out.append((0.0, 1.0))
    elif low >= 0 and high <= 255 and not (encodings % 1).any():
        out.append((0.0, 1 / 255))
    if not in_bytes and (low, high) != (float(images.min()), float(images.max())):
        scale = (float(images.max()) - float(images.min())) / max(high - low, 1e-12)
        out.append((float(images.min()) - low * scale, scale))
    return out


def fit_positions(images: Images, encodings: Encodings) -> list[Inverse]:
    """Permutations over the whole image and ones shared by all its blocks, of values and of 4-bit halves."""
    if encodings[0].size != images[0].size:
        return []
    h, w, c = (int(v) for v in images.shape[1:])
    edges = [b for b in (4, 8, 2, 16) if h % b == 0 and w % b == 0 and min(h, w) > b]
    out: list[Inverse] = []
    for in_halves, (offset, scale) in [(h, u) for h in (False, True) for u in _units(images, encodings, h)]:
        # Shared maps first: every block is a sample, so that nothing agrees with all of them by chance.
        for edge in (*edges, 0) if encodings.shape == images.shape else (0,):
            symbols = Symbols((h, w, c), edge, in_halves, offset, scale)
            plain, released = symbols.of_images(images), symbols.of_encodings(encodings)
            if edge:  # every block of every image is a sample
                plain, released = (x.reshape(-1, x.shape[-1])[:SAMPLES] for x in (plain, released))
            positions = match_positions(plain, released, symbols.top)
            if positions.found >= FOUND:
                out.append(PositionInverse(symbols, positions, plain.mean(0).astype(np.float32)))
            if positions.found == 1:
                return out
    return out
