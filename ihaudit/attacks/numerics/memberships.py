"""Which images mixtures hold, and in what shares, without labels: memberships are few, positive and independent.

Encodings X = L I (+ noise) of N images lie in N dimensions.  In them the columns of L are skewed, for an image is in
few encodings: a rotation that makes third moments as large as may be turns the dimensions into memberships (independent
components by skewness, FastICA's fixed point; Hyvarinen and Oja 1997).  Non-negative least squares with shares that sum
to one then sharpens them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Doubles = NDArray[np.float64]

#: rows or columns up to which the spectrum is computed exactly; else so many of its largest values
EXACT, LARGEST = 1500, 600
#: encodings that are looked at first
LOOKED_AT = 1000
#: share of the spectrum in which the number of images must show
SHOWN = 0.75
#: a gap of the spectrum is so many times as wide as is usual beyond it, and so wide at least (log)
GAP, LEAST_GAP = 15.0, 0.05
#: values of the spectrum below this share of the largest are rounding
ROUNDING = 1e-9
#: rounds of the fixed point, and the change at which it ends
ROUNDS, CHANGE = 300, 1e-7
#: shares below this are nobody's in what the components say
FIRST = 0.06
#: and so many deviations of their own in least squares, within these bounds
SURE, LEAST = 4.0, (1e-3, 0.02)
#: images among which those of an encoding are sought, and rounds of seeking
AMONG, SHARPENED = 16, 4
#: weight of the sum of shares, in units of the deviation of values
SUM = 30.0


@dataclass(frozen=True, eq=False)
class Memberships:
    """A mixture model.

    Attributes:
        shares: float64 (E, N), of each image in each encoding; rows sum to one.
        images: float64 (N, P), in the units of the encodings.
        noise: standard deviation of what is left.
        unexplained: variance left, in units of what the best N dimensions leave.
        again: share of the memberships that another start finds too.
    """

    shares: Doubles
    images: Doubles
    noise: float
    unexplained: float
    again: float


def memberships(x: Doubles, count: int | None, rng: np.random.Generator) -> Memberships | None:
    """Of encodings (E, P), of so many images, or as many as the spectrum shows; None where it shows none."""
    if len(x) > LOOKED_AT and count is None:
        # As many dimensions show in some of the encodings, or none is likely to in all.
        some = x[np.sort(rng.permutation(len(x))[:LOOKED_AT])]
        count = dimensions(_spectrum(some, rng)[0], min(some.shape))
        if count == 0:
            return None
    values, left = _spectrum(x, rng)
    n = count or dimensions(values, min(x.shape))
    if not 3 <= n <= min(SHOWN * min(x.shape), len(values)):
        return None
    white = left[:, :n] * np.sqrt(len(x))
    first, second = (_components(white, rng) for _ in range(2))
    again = float((np.abs(first.T @ second / len(x)).max(1) > 0.9).mean())
    scale = np.linalg.lstsq(first, np.ones(len(x)), rcond=None)[0]
    shares = _whole(np.where(first * scale > FIRST, first * scale, 0))
    total = float((x**2).sum())
    free = max(total - float(values[:n].sum()), 0.0)
    for _ in range(SHARPENED):
        images = _solved(shares, x)
        shares = _sharpened(x, images, free / x.size)
    images = _solved(shares, x)
    rest = float(((x - shares @ images) ** 2).sum())
    best = max(free, 1e-4 * float(((x - x.mean(0)) ** 2).sum()))
    return Memberships(shares, images, float(np.sqrt(rest / x.size)), rest / max(best, 1e-30), again)


def dimensions(values: Doubles, least_side: int) -> int:
    """How many of the descending eigenvalues stand out: where the last gap is; 0 where there is none."""
    values = np.maximum(values, ROUNDING * max(float(values[0]), 1e-30))
    hi = int(min(SHOWN * least_side, len(values) - 1))
    if hi < 8:
        return 0
    gaps = np.log(values[:-1] / values[1:])[:hi]
    wide = np.flatnonzero(gaps > max(GAP * float(np.median(gaps[hi // 2 :])), LEAST_GAP))
    return int(wide[-1]) + 1 if len(wide) else 0


def _spectrum(x: Doubles, rng: np.random.Generator) -> tuple[Doubles, Doubles]:
    """Squared singular values, descending, and left singular vectors (E, k)."""
    e, p = x.shape
    if e <= EXACT or p <= EXACT:
        values, vectors = np.linalg.eigh(x @ x.T if e <= p else x.T @ x)
        values, vectors = values[::-1], vectors[:, ::-1]
        if e > p:
            vectors = x @ vectors / np.sqrt(np.maximum(values, ROUNDING * max(float(values[0]), 1e-30)))
        return values, vectors
    basis = np.linalg.qr(x @ rng.standard_normal((p, LARGEST)))[0]
    for _ in range(2):
        basis = np.linalg.qr(x @ (x.T @ basis))[0]
    inner = basis.T @ x
    values, vectors = np.linalg.eigh(inner @ inner.T)
    return values[::-1], basis @ vectors[:, ::-1]


def _components(white: Doubles, rng: np.random.Generator) -> Doubles:
    """float64 (E, n): the white dimensions, turned so that third moments are largest; skewed to the right."""
    n = white.shape[1]
    turn = np.linalg.qr(rng.standard_normal((n, n)))[0]
    for _ in range(ROUNDS):
        u, _, v = np.linalg.svd(white.T @ (white @ turn) ** 2)
        last, turn = turn, u @ v
        if float(np.abs(np.abs((turn * last).sum(0)) - 1).max()) < CHANGE:
            break
    out = white @ turn
    signed: Doubles = out * np.sign((out**3).mean(0))
    return signed


def _sharpened(x: Doubles, images: Doubles, noise: float) -> Doubles:
    """Shares float64 (E, N) by least squares, none negative, summing to one, among the images that stand out.

    Args:
        x, images: the encodings (E, P), and the images (N, P).
        noise: variance of the encodings' values.
    """
    n = len(images)
    weight = (SUM * float(x.std())) ** 2
    gram, products = images @ images.T + weight, x @ images.T + weight
    inverse = np.linalg.inv(gram + 1e-9 * np.trace(gram) / n * np.eye(n))
    free = products @ inverse
    least = np.clip(SURE * float(np.sqrt(noise * np.median(np.diag(inverse)))), *LEAST)
    among = np.argsort(-free, axis=1)[:, :AMONG]
    shares = np.zeros((len(x), n))
    for row, some in enumerate(among):
        root = np.linalg.cholesky(gram[np.ix_(some, some)])
        shares[row, some] = nnls(root.T, np.linalg.solve(root, products[row, some]))[0]
    return _whole(np.where(shares > least, shares, 0))


def _solved(shares: Doubles, x: Doubles) -> Doubles:
    """The images (N, P) by least squares."""
    return np.asarray(np.linalg.lstsq(shares, x, rcond=None)[0], np.float64)


def _whole(shares: Doubles) -> Doubles:
    """With rows that sum to one; rows of nothing stay so."""
    out: Doubles = shares / np.maximum(shares.sum(1, keepdims=True), 1e-9)
    return out
