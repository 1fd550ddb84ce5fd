"""Halves of bytes, permuted and negated inside blocks by one key for all blocks (LE), from encodings alone.

High halves of a block vary together; their order is found by matching their covariance to that of similar images
(quadratic assignment).  Low halves hardly vary together, but each says on which side of a step of its high half the
value lies, and neighbours tell that too: each is matched to what the high halves predict of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment, quadratic_assignment

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

#: starts of the quadratic assignment, and blocks that covariances are taken over
STARTS, BLOCKS = 30, 60_000
#: middle of the range of a half
MIDDLE = 7.5
#: a half that correlates with another at least this much, in absolute value, is a high one
HIGH = 0.3


@dataclass(frozen=True, eq=False)
class Halves:
    """What was found: value v of a block in plain is half `source[v]` of the encoding, negated where `sign` is -1.

    Attributes:
        source: int64 (2 * V,): high halves of the V values of a block, then the low ones.
        sign: int64 (2 * V,).
        fit: correlation of the covariances of high halves, as matched, with those of similar images.
        low: mean correlation of low halves with what is predicted of them.
    """

    source: Ints
    sign: Ints
    fit: float
    low: float


def halves_of(blocks: Floats) -> Floats:
    """float32 (n, V) in [0, 1] -> (n, 2 * V): high halves, then low ones, about their middle."""
    byte = np.rint(np.clip(blocks, 0, 1) * 255).astype(np.int16)
    return np.concatenate([byte >> 4, byte & 15], axis=1).astype(np.float32) - np.float32(MIDDLE)


def values_of(halves: Floats) -> Floats:
    """float32 (n, 2 * V) -> (n, V) in [0, 1]."""
    v = halves.shape[1] // 2
    whole = np.clip(np.rint(halves + MIDDLE), 0, 15)
    out: Floats = ((whole[:, :v] * 16 + whole[:, v:]) / 255).astype(np.float32)
    return out


def correlation(halves: Floats) -> NDArray[np.float64]:
    """float64 (K, K)."""
    z = halves - halves.mean(0)
    z /= np.maximum(np.sqrt((z**2).mean(0)), 1e-6)
    return np.asarray(z.T @ z / len(z), np.float64)


def high_halves(seen: NDArray[np.float64]) -> int:
    """How many halves vary together with another, by their correlations (K, K)."""
    off = np.abs(seen) - np.eye(len(seen))
    return int((off.max(1) > HIGH).sum())


def match(encoded: Floats, similar: Floats, rng: np.random.Generator) -> Halves:
    """Match halves.

    Args:
        encoded: float32 (n, V), blocks of encodings in [0, 1].
        similar: float32 (m, V), blocks of similar images in [0, 1].
        rng: picks starts and blocks.
    """
    pick = [rng.permutation(len(v))[:BLOCKS] for v in (encoded, similar)]
    a, b = halves_of(encoded[pick[0]]), halves_of(similar[pick[1]])
    v = encoded.shape[1]
    seen, usual = correlation(a), correlation(b)
    together = np.abs(seen) - np.eye(2 * v)
    high = np.sort(np.argsort(-np.sort(together, axis=1)[:, -3:].sum(1))[:v])
    low = np.setdiff1d(np.arange(2 * v), high)
    # All high halves of a block brighten together.
    leading = np.linalg.eigh(seen[np.ix_(high, high)])[1][:, -1]
    sign_high = np.where(leading < 0, -1, 1)
    s = seen[np.ix_(high, high)] * np.outer(sign_high, sign_high)
    t = usual[:v, :v]
    best, order = -np.inf, np.arange(v)
    for _ in range(STARTS):
        start = _doubly(rng, v)
        options = {"maximize": True, "P0": start, "maxiter": 60, "rng": rng}
        columns = quadratic_assignment(t, s, options=options)["col_ind"]
        refined = quadratic_assignment(
            t,
            s,
            method="2opt",
            options={"maximize": True, "partial_guess": np.stack([np.arange(v), columns], 1), "rng": rng},
        )
        if refined["fun"] > best:
            best, order = float(refined["fun"]), np.asarray(refined["col_ind"])
    matched = s[np.ix_(order, order)]
    upper = np.triu_indices(v, 1)
    fit = float(np.corrcoef(matched[upper], t[upper])[0, 1])
    source, sign = np.empty(2 * v, np.int64), np.ones(2 * v, np.int64)
    source[:v], sign[:v] = high[order], sign_high[order]
    source[v:] = low
    return Halves(source, sign, fit, 0.0)


def with_low(found: Halves, encoded: Floats, similar: Floats, rng: np.random.Generator) -> Halves:
    """The same with low halves matched to what high ones, which must be in their order, predict of them."""
    pick = [rng.permutation(len(v))[:BLOCKS] for v in (encoded, similar)]
    a, b = halves_of(encoded[pick[0]]), halves_of(similar[pick[1]])
    v = encoded.shape[1]
    high, low = b[:, :v] - b[:, :v].mean(0), b[:, v:]
    weights = np.linalg.solve(high.T @ high + np.eye(v, dtype=np.float32), high.T @ (low - low.mean(0)))
    mine = a[:, found.source[:v]] * found.sign[:v].astype(np.float32)
    predicted = (mine - mine.mean(0)) @ weights
    free = a[:, found.source[v:]]
    free = (free - free.mean(0)) / np.maximum(free.std(0), 1e-6)
    predicted /= np.maximum(predicted.std(0), 1e-6)
    agree = predicted.T @ free / len(free)
    columns = linear_sum_assignment(-np.abs(agree))[1]
    source, sign = found.source.copy(), found.sign.copy()
    source[v:] = found.source[v:][columns]
    chosen = agree[np.arange(v), columns]
    sign[v:] = np.where(chosen < 0, -1, 1)
    return Halves(source, sign, found.fit, float(np.abs(chosen).mean()))


def decoded(found: Halves, encoded: Floats) -> Floats:
    """float32 (n, V) in [0, 1]: blocks in plain."""
    return values_of(halves_of(encoded)[:, found.source] * found.sign.astype(np.float32))


def _doubly(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """A doubly stochastic matrix near the flat one."""
    k = rng.random((size, size)) + 0.2
    for _ in range(30):
        k /= k.sum(1, keepdims=True)
        k /= k.sum(0, keepdims=True)
    return k
