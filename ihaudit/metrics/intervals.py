"""Confidence intervals for scores over images.

Private images are the sampling unit: an interval says what to expect of other private images drawn like these.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ihaudit.stats import Estimate

LEVEL = 0.95
RESAMPLES = 2000


def mean_estimate(
    x: ArrayLike, *, floor: float | None = None, ceiling: float | None = None, seed: int = 0, level: float = LEVEL
) -> Estimate:
    """The mean with a BCa bootstrap interval over images (Efron 1987), percentile where BCa is undefined.

    Where all N scores are equal, resampling would give an interval of width zero, a false certainty.  Then a share of
    at most ``1 - tail ** (1 / N)`` of the population can differ (exact binomial, "rule of three"), and the interval
    allows that share to lie at `floor` or `ceiling`; without these the ends are None.

    Args:
        x: (N,) scores; NaN entries are left out.
        floor, ceiling: the range of the score where it has one.
        seed: of the resampling.
        level: two-sided confidence.
    """
    v = _finite(x)
    if len(v) == 0:
        return Estimate(None)
    mean = float(v.mean())
    if np.ptp(v) == 0:
        share = 1 - ((1 - level) / 2) ** (1 / len(v))
        low = None if floor is None else mean + share * (floor - mean)
        high = None if ceiling is None else mean + share * (ceiling - mean)
        return Estimate(mean, low, high, len(v))
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            # scipy warns of a degenerate jackknife and then returns NaN, which the loop answers.
            warnings.simplefilter("ignore")
            ci = stats.bootstrap(
                (v,),
                np.mean,
                n_resamples=RESAMPLES,
                confidence_level=level,
                method=method,
                rng=np.random.default_rng(seed),
                batch=max(1, 2_000_000 // len(v)),
            ).confidence_interval
        if math.isfinite(ci.low) and math.isfinite(ci.high):
            return Estimate(mean, float(ci.low), float(ci.high), len(v))
    return Estimate(mean, n=len(v))


def quantile(x: ArrayLike, q: float) -> float:
    """The sample quantile used everywhere: the smallest value with at least a share q at or below it.

    An order statistic rather than an interpolation (numpy's ``inverted_cdf``), so that "the 90 % quantile is above b"
    means exactly "more than 10 % of the images score above b".
    """
    return float(np.quantile(_finite(x), q, method="inverted_cdf"))


def quantile_estimate(
    x: ArrayLike, q: float, *, floor: float | None = None, ceiling: float | None = None, level: float = LEVEL
) -> Estimate:
    """A quantile with its exact, distribution-free order-statistic interval.

    The number of scores at or below the population quantile is binomial(N, q), whatever the distribution
    (Conover, Practical Nonparametric Statistics, section 3.2).  Where N is too small for an order statistic to bound
    one side, that end is `floor` or `ceiling` (the range of the score), or None.  For q = 1 (the best image) the
    population's supremum cannot lie below the sample's, so the lower end is the sample maximum itself.

    Args:
        x: (N,) scores; NaN entries are left out.
        q: in (0, 1].
        floor, ceiling: the range of the score where it has one.
        level: two-sided confidence.
    """
    v = np.sort(_finite(x))
    n = len(v)
    if n == 0:
        return Estimate(None)
    value = quantile(v, q)
    if q >= 1.0:
        return Estimate(value, value, ceiling, n)
    tail = (1 - level) / 2
    # Largest r with P(X <= r - 1) <= tail: the r-th smallest lies above the quantile with at most that probability.
    r = int(stats.binom.ppf(tail, n, q))
    while r > 0 and stats.binom.cdf(r - 1, n, q) > tail:
        r -= 1
    s = int(stats.binom.ppf(1 - tail, n, q)) + 1
    while s <= n and stats.binom.sf(s - 1, n, q) > tail:
        s += 1
    low = float(v[r - 1]) if r >= 1 else floor
    high = float(v[s - 1]) if s <= n else ceiling
    return Estimate(value, low, high, n)


def rate_estimate(hits: int, trials: int, level: float = LEVEL) -> Estimate:
    """A rate with its exact Clopper-Pearson interval."""
    if trials == 0:
        return Estimate(None)
    ci = stats.binomtest(hits, trials).proportion_ci(level, method="exact")
    return Estimate(hits / trials, float(ci.low), float(ci.high), trials)


def rate_difference(hits: int, trials: int, null_hits: int, null_trials: int, level: float = LEVEL) -> Estimate:
    """Difference of two rates, conservatively: each gets a Clopper-Pearson interval at half the error."""
    if trials == 0 or null_trials == 0:
        return Estimate(None)
    inner = 1 - (1 - level) / 2
    a, b = rate_estimate(hits, trials, inner), rate_estimate(null_hits, null_trials, inner)
    assert a.low is not None and a.high is not None and b.low is not None and b.high is not None
    value = hits / trials - null_hits / null_trials
    return Estimate(value, a.low - b.high, a.high - b.low, trials)


def pigeonhole_mean(x: ArrayLike, members: NDArray[Any], *, seed: int = 0, level: float = LEVEL) -> Estimate:
    """The mean over encodings, with an interval from resampling private images (pigeonhole bootstrap, Owen 2007).

    Encodings that share a private image are not independent trials; resampling encodings would count 5,000 of them made
    from 100 images as 5,000 observations.  Each encoding is weighted by the product of its images' bootstrap counts.

    Args:
        x: (E,) scores; NaN entries are left out.
        members: int (E, s) private images of each encoding, -1 for none.
        seed: of the resampling.
        level: two-sided confidence.
    """
    v = np.asarray(x, np.float64)
    keep = np.isfinite(v)
    v, members = v[keep], np.asarray(members)[keep]
    if len(v) == 0:
        return Estimate(None)
    n = int(members.max(initial=-1)) + 1
    images = len(np.unique(members[members >= 0]))
    if images < 3 or np.ptp(v) == 0:
        return Estimate(float(v.mean()), n=len(v))
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(500):
        counts = np.bincount(rng.integers(0, n, n), minlength=n + 1).astype(np.float64)
        counts[n] = 1.0  # the slot that -1 indexes
        weights = np.prod(counts[members], axis=1)
        if weights.sum() > 0:
            means.append(float(weights @ v / weights.sum()))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(v.mean()), float(low), float(high), len(v))


def _finite(x: ArrayLike) -> NDArray[np.float64]:
    v = np.asarray(x, np.float64).ravel()
    return v[np.isfinite(v)]
