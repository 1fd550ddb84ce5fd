"""A byte beside a table of another byte: secret S-boxes in a chain, and Feistel networks of two rounds.

Where a pixel is its released byte combined with S[another byte and a key of its place] and another key, known pairs
fill S, since all places share it (known plaintext against a reused substitution; Stinson, Cryptography, 1995, 1.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.known_pairs.base import Bytes, Encodings, Images, Inverse, as_bytes, to_bytes

#: pairs without which a table is not looked for
FEWEST = 12
#: share of equal bytes that must lead to equal values where a place follows a table
FOLLOWS = 0.9
#: share of the places that follow a table of released bytes, and of all places that are explained in the end
SOME, ALL = 0.3, 0.95
#: places that must follow at least, and places that a table is filled from at most
LOOKED, FILLED = 8, 400
#: places that are looked at first
PROBE = 512
#: bytes of a place that two keys must explain: one key is chosen among 256 times 256
SURE = 6


@dataclass(frozen=True, eq=False)
class Table:
    """What a byte v so many places before (cyclically) adds: S[v with the inner key] with the outer key.

    Attributes:
        lag: places, negative for those after.
        values: S, uint8 (256,).
        inner, outer: keys of the places, uint8 (P,).
        by: whether the inner, and the outer keys are combined by exclusive or, else by sums modulo 256.
    """

    lag: int
    values: Bytes
    inner: Bytes
    outer: Bytes
    by: tuple[bool, bool]

    def of(self, source: Bytes) -> Bytes:
        """What bytes (n, P) add, uint8 (n, P)."""
        at = _together(np.roll(source, self.lag, 1), self.inner, self.by[0])
        return _together(self.values[at], self.outer, self.by[1])


@dataclass(frozen=True, eq=False)
class TableInverse:
    """x = y combined with a table of another released byte, and elsewhere with a table of another byte of the image.

    Attributes:
        direct: bool (P,), places that follow `first`, the table of released bytes; the others follow `second`.
        xor: by exclusive or, else by sums modulo 256.
    """

    shape: tuple[int, int, int]
    scale: float
    xor: bool
    direct: NDArray[np.bool_]
    first: Table
    second: Table | None

    @property
    def words(self) -> str:
        """See `Inverse`."""
        how = "exclusive or" if self.xor else "sums modulo 256"
        then = "" if self.second is None else " and then of another byte of the image"
        return f"bytes combined with a table of another byte{then} by {how}"

    def __call__(self, encodings: Encodings) -> Images:
        """See `Inverse`."""
        y = to_bytes(encodings, self.scale)
        x = _together(y, self.first.of(y), self.xor)
        if self.second is not None:
            x = np.where(self.direct, x, _together(y, self.second.of(x), self.xor))
        return (x / np.float32(255)).astype(np.float32).reshape(len(y), *self.shape)


def fit_tables(images: Images, encodings: Encodings) -> list[Inverse]:
    """The first table under which the pairs are explained; needs encodings and images in bytes."""
    if len(images) < FEWEST or (found := as_bytes(images, encodings)) is None:
        return []
    x, y, scale = found
    h, w, c = (int(v) for v in images.shape[1:])
    p = x.shape[1]
    lags = list(dict.fromkeys(lag for size in (1, c, w * c, p // 2) for lag in (size, -size) if size))
    for xor in (True, False):
        less = x ^ y if xor else x - y
        for lag in lags:
            first = _table(less, np.roll(y, lag, 1), lag, SOME)
            if first is None:
                continue
            table, direct = first
            if direct.mean() >= ALL:
                return [TableInverse((h, w, c), scale, xor, direct, table, None)]
            for then in lags:
                where = ~direct & np.roll(direct, then)
                if where.sum() < (1 - ALL) * p:
                    continue
                second = _table(less[:, where], np.roll(x, then, 1)[:, where], then, ALL)
                if second is None or (direct.sum() + second[1].sum()) < ALL * p:
                    continue
                rest = second[0]
                keys = np.zeros((2, p), np.uint8)
                keys[:, where] = rest.inner, rest.outer
                rest = replace(rest, inner=keys[0], outer=keys[1])
                return [TableInverse((h, w, c), scale, xor, direct, table, rest)]
    return []


def _table(less: Bytes, index: Bytes, lag: int, least: float) -> tuple[Table, NDArray[np.bool_]] | None:
    """The table from bytes (n, Q) to (n, Q) with two keys for each place, and which places follow it."""
    few = np.linspace(0, less.shape[1] - 1, min(less.shape[1], PROBE)).astype(np.int64)
    follows, told = _followed(less[:, few], index[:, few])
    if follows.sum() < least * told.sum():
        return None
    follows, told = _followed(less, index)
    if follows.sum() < max(LOOKED, least * told.sum()):
        return None
    places = np.flatnonzero(follows)
    places = places[np.argsort([-len(np.unique(index[:, q])) for q in places], kind="stable")][:FILLED]
    for by in ((a, b) for a in (True, False) for b in (True, False)):
        values, known = np.zeros(256, np.uint8), np.zeros(256, bool)
        fitted = 0
        for n, q in enumerate(places):
            inner, outer, share = (0, 0, 1.0) if n == 0 else _keys(less[:, q], index[:, q], values, known, by)
            if share >= FOLLOWS:
                fitted += 1
                at = _together(index[:, q], np.uint8(inner), by[0])
                new = ~known[at]
                values[at[new]] = _apart(less[new, q], np.uint8(outer), by[1])
                known[at] = True
            if known.all() or (n == LOOKED and fitted < LOOKED // 2):
                break
        if fitted < LOOKED // 2:
            continue
        keys = [_keys(less[:, q], index[:, q], values, known, by) for q in range(less.shape[1])]
        held = np.array([k[2] for k in keys]) >= FOLLOWS
        if held.mean() >= least:
            inner_of, outer_of = (np.array([k[i] for k in keys]).astype(np.uint8) for i in (0, 1))
            return Table(lag, values, inner_of, outer_of, by), held
    return None


def _keys(
    less: Bytes, index: Bytes, values: Bytes, known: NDArray[np.bool_], by: tuple[bool, bool]
) -> tuple[int, int, float]:
    """Inner and outer key of a place from its bytes (n,), and the share that they explain of what the table tells."""
    at = _together(index[None], np.arange(256, dtype=np.uint8)[:, None], by[0])
    told = known[at]
    apart = _apart(less[None], values[at], by[1])
    counts = np.bincount((np.arange(256)[:, None] * 256 + apart)[told], minlength=256 * 256).reshape(256, 256)
    inner, outer = np.unravel_index(counts.argmax(), counts.shape)
    most = int(counts[inner, outer])
    return int(inner), int(outer), most / int(told[inner].sum()) if most >= SURE else 0.0


def _together(a: Bytes, b: Bytes | np.uint8, xor: bool) -> Bytes:
    return a ^ b if xor else a + b


def _apart(a: Bytes, b: Bytes | np.uint8, xor: bool) -> Bytes:
    return a ^ b if xor else a - b


def _followed(less: Bytes, index: Bytes) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Places (Q,) where equal bytes of `index` lead to equal values of `less`, and those where any are equal."""
    order = np.argsort(index, axis=0, kind="stable")
    at, value = np.take_along_axis(index, order, 0), np.take_along_axis(less, order, 0)
    equal = at[1:] == at[:-1]
    right = (equal & (value[1:] == value[:-1])).sum(0)
    told: NDArray[np.bool_] = equal.any(0)
    return told & (right >= FOLLOWS * equal.sum(0)), told
