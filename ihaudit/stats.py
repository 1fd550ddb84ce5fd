"""Estimates with intervals: the only form in which a rate, an advantage or a score travels.

Exact (Clopper-Pearson) intervals, advantages, epsilon lower bounds and multiple-testing correction.  Everything here is
a thin, tested layer over SciPy.  Conventions:

* ``advantage`` is 2 Pr[correct] - 1 = TPR - FPR for a uniform bit, in [-1, 1] (other texts print half of it);
* every interval is two-sided at 1 - alpha, so its lower end is a one-sided bound at alpha / 2;
* every epsilon is a *lower bound* that holds with probability 1 - alpha, at a stated delta, for *replace-one*
  neighbours unless said otherwise; never an estimate of epsilon.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special


@dataclass(frozen=True)
class Estimate:
    """A measured value with its confidence interval.

    Attributes:
        value: the point estimate; None where nothing could be measured (never NaN: results.json is strict JSON).
        low: lower end of the interval, or None.
        high: upper end, or None.
        n: number of trials or images behind it.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            x = getattr(self, name)
            if x is not None:
                x = float(x)
                object.__setattr__(self, name, x if math.isfinite(x) else None)
        object.__setattr__(self, "n", int(self.n))

    def __str__(self) -> str:
        if self.value is None:
            return "n/a"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


# ---------------------------------------------------------------- rates and advantages


def clopper_pearson(k: int, n: int, alpha: float = 0.05) -> tuple[float, float]:
    """The exact two-sided interval of a binomial proportion: each end is a one-sided bound at alpha / 2.

    Clopper and Pearson, Biometrika 26 (1934).  For n = 0 it is [0, 1]: nothing was seen.

    Raises:
        ValueError: k outside 0..n or alpha outside (0, 1).
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} successes in {n} trials is impossible")
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie in (0, 1), not {alpha!r}")
    low = 0.0 if k == 0 else float(special.betaincinv(k, n - k + 1, alpha / 2))
    high = 1.0 if k == n else float(special.betaincinv(k + 1, n - k, 1 - alpha / 2))
    return low, high


def rate(k: int, n: int, alpha: float = 0.05) -> Estimate:
    """A proportion k / n with its Clopper-Pearson interval (value None for n = 0)."""
    low, high = clopper_pearson(k, n, alpha)
    return Estimate(k / n if n else None, low, high, n)


def advantage(correct: int, n: int, alpha: float = 0.05) -> Estimate:
    """Advantage 2p - 1 from `correct` right answers in `n` independent trials with a uniform bit each."""
    low, high = clopper_pearson(correct, n, alpha)
    return Estimate(2 * correct / n - 1 if n else None, 2 * low - 1, 2 * high - 1, n)


def link_advantage(k1: int, n1: int, k0: int, n0: int, alpha: float = 0.05) -> Estimate:
    """Difference of two rates k1/n1 - k0/n0 (two arms of fixed sizes): Bonferroni on two Clopper-Pearson intervals."""
    l1, u1 = clopper_pearson(k1, n1, alpha / 2)
    l0, u0 = clopper_pearson(k0, n0, alpha / 2)
    return Estimate(k1 / n1 - k0 / n0 if n1 and n0 else None, l1 - u0, u1 - l0, n1 + n0)


def scale(e: Estimate, factor: float) -> Estimate:
    """The estimate and both ends times a positive factor (the random-hybrid lemma divides a link by n)."""
    if factor <= 0:
        raise ValueError(f"the factor must be positive, not {factor!r}")
    value, low, high = (None if x is None else x * factor for x in (e.value, e.low, e.high))
    return Estimate(value, low, high, e.n)


def mean(values: ArrayLike, alpha: float = 0.05) -> Estimate:
    """Mean of independent values with the normal-theory (Student) interval."""
    x = np.asarray(values, np.float64).ravel()
    if x.size == 0:
        return Estimate(None)
    if x.size == 1:
        return Estimate(float(x[0]), n=1)
    half = float(special.stdtrit(x.size - 1, 1 - alpha / 2)) * float(x.std(ddof=1)) / math.sqrt(x.size)
    return Estimate(float(x.mean()), float(x.mean()) - half, float(x.mean()) + half, x.size)


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm-adjusted p-values in the order given: rejecting those <= alpha keeps the family-wise error <= alpha."""
    p = np.asarray(p, np.float64)
    order = np.argsort(p, kind="stable")
    steps = p[order] * (p.size - np.arange(p.size))
    out = np.empty_like(p)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if p.size else steps
    return out


# ---------------------------------------------------------------- curves


@dataclass(frozen=True, eq=False)
class Roc:
    """A ROC curve: `fpr`, `tpr` float64 (P,) increasing from 0 to 1, and the threshold of each point."""

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def roc(scores: ArrayLike, positive: ArrayLike) -> Roc:
    """ROC curve of `scores` (higher means positive), equal scores taken together so that ties never help."""
    s, y = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if s.shape != y.shape or s.ndim != 1 or y.all() or not y.any():
        raise ValueError(f"a ROC curve needs scores of both classes; got {int(y.sum())} positives of {y.size}")
    order = np.argsort(-s, kind="stable")
    s, y = s[order], y[order]
    last = np.r_[np.flatnonzero(np.diff(s)), s.size - 1]
    tp, fp = np.cumsum(y)[last], np.cumsum(~y)[last]
    return Roc(np.r_[0.0, fp / fp[-1]], np.r_[0.0, tp / tp[-1]], np.r_[np.inf, s[last]])


def auc(scores: ArrayLike, positive: ArrayLike, alpha: float = 0.05) -> Estimate:
    """Area under the ROC curve with DeLong's interval (DeLong et al. 1988), clipped to [0, 1]; ties count half."""
    s, y = np.asarray(scores, np.float64), np.asarray(positive, bool)
    pos, neg = np.sort(s[y]), np.sort(s[~y])
    if not pos.size or not neg.size:
        return Estimate(None, n=s.size)
    v10 = (np.searchsorted(neg, pos, "left") + np.searchsorted(neg, pos, "right")) / (2 * neg.size)
    v01 = 1 - (np.searchsorted(pos, neg, "left") + np.searchsorted(pos, neg, "right")) / (2 * pos.size)
    value = float(v10.mean())
    if pos.size < 2 or neg.size < 2:
        return Estimate(value, 0.0, 1.0, s.size)
    half = float(special.ndtri(1 - alpha / 2)) * math.sqrt(v10.var(ddof=1) / pos.size + v01.var(ddof=1) / neg.size)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), s.size)


# ---------------------------------------------------------------- epsilon lower bounds


def eps_lower(tp: int, positives: int, fp: int, negatives: int, delta: float = 0.0, alpha: float = 0.05) -> float:
    """Lower bound on epsilon from a distinguisher's counts, both tails, with probability 1 - alpha.

    (eps, delta)-DP implies TPR <= e^eps FPR + delta and 1 - FPR <= e^eps (1 - TPR) + delta.  Jagielski, Ullman and
    Oprea 2020; Nasr et al. 2021.  The two one-sided bounds at alpha / 2 serve both formulas.  The threshold behind the
    counts must come from other data.
    """
    tpr_low = clopper_pearson(tp, positives, alpha)[0]
    fpr_high = clopper_pearson(fp, negatives, alpha)[1]
    out = 0.0
    for numerator, denominator in ((tpr_low, fpr_high), (1 - fpr_high, 1 - tpr_low)):
        if numerator - delta > 0 and denominator > 0:
            out = max(out, math.log((numerator - delta) / denominator))
    return out


def eps_ceiling(positives: int, negatives: int, delta: float = 0.0, alpha: float = 0.05) -> float:
    """The largest value `eps_lower` can return with so many trials: no error at all."""
    return eps_lower(positives, positives, 0, negatives, delta, alpha)


def eps_from_advantage(adv: float, delta: float = 0.0) -> float:
    """Epsilon that an advantage needs: Adv <= (e^eps - 1 + 2 delta) / (e^eps + 1).  Give the interval's lower end."""
    if not -1.0 <= adv <= 1.0:
        raise ValueError(f"an advantage lies in [-1, 1], not {adv!r}")
    if adv >= 1.0:
        return math.inf
    return max(0.0, math.log(max(1 + adv - 2 * delta, 1e-300) / (1 - adv)))


def max_advantage(epsilon: float, delta: float = 0.0) -> float:
    """The largest advantage that (epsilon, delta)-DP allows against replace-one neighbours."""
    return min(1.0, math.tanh(epsilon / 2) + 2 * delta / (math.exp(min(epsilon, 700.0)) + 1))


def gaussian_delta(mu: float, epsilon: float) -> float:
    """delta(epsilon) of a mu-GDP mechanism: Phi(mu/2 - eps/mu) - e^eps Phi(-mu/2 - eps/mu) (Dong et al. 2022)."""
    if mu <= 0:
        return 0.0
    tail = epsilon + float(special.log_ndtr(-mu / 2 - epsilon / mu))
    return max(0.0, float(special.ndtr(mu / 2 - epsilon / mu)) - math.exp(min(tail, 700.0)))


def gaussian_sigma(epsilon: float, delta: float, sensitivity: float) -> float:
    """The least noise for (epsilon, delta)-DP at an L2 sensitivity (the analytic Gaussian, Balle and Wang 2018)."""
    if epsilon <= 0 or sensitivity <= 0:
        raise ValueError(f"epsilon and sensitivity must be positive, not {epsilon!r} and {sensitivity!r}")
    if not 0.0 < delta < 1.0:
        raise ValueError(f"delta must lie in (0, 1) for a Gaussian mechanism, not {delta!r}")
    low, high = 0.0, 1.0  # of mu = sensitivity / sigma, in which delta rises
    while gaussian_delta(high, epsilon) < delta:
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if gaussian_delta(middle, epsilon) < delta else (low, middle)
    return sensitivity / low


# ---------------------------------------------------------------- epsilon in one run


def one_run_pvalue(m: int, guesses: int, right: int, epsilon: float, delta: float = 0.0) -> float:
    """p-value of "the mechanism is (epsilon, delta)-DP" after `right` of `guesses` guesses about `m` independent bits.

    Steinke, Nasr and Jagielski 2023, Theorem 5.2: valid although all bits go through one call and its outputs depend
    on each other.  Guesses may be withheld (guesses <= m).
    """
    if not 0 <= right <= guesses <= m:
        raise ValueError(f"needs right <= guesses <= m, not {right}, {guesses}, {m}")
    q = 1 / (1 + math.exp(-epsilon))
    p = 1.0 if right == 0 else float(special.betainc(right, guesses - right + 1, q))  # Pr[Bin(guesses, q) >= right]
    if delta > 0 and right > 0:
        v = np.arange(right - 1, -1, -1)
        log_pmf = special.gammaln(guesses + 1) - special.gammaln(v + 1) - special.gammaln(guesses - v + 1)
        log_pmf += special.xlogy(v, q) + special.xlog1py(guesses - v, -q)
        below = np.cumsum(np.exp(log_pmf))
        p += 2 * m * delta * float(np.max(below / np.arange(1, right + 1)))
    return min(1.0, p)


def one_run_epsilon(m: int, guesses: int, right: int, delta: float = 0.0, alpha: float = 0.05) -> float:
    """The largest epsilon that one run refutes at level alpha (0 where none); see `one_run_pvalue`."""
    if guesses == 0 or one_run_pvalue(m, guesses, right, 0.0, delta) >= alpha:
        return 0.0
    low, high = 0.0, 1.0
    while one_run_pvalue(m, guesses, right, high, delta) < alpha:
        low, high = high, high * 2
        if high > 64:
            return low
    while high - low > 1e-4:
        mid = (low + high) / 2
        low, high = (mid, high) if one_run_pvalue(m, guesses, right, mid, delta) < alpha else (low, mid)
    return low


@dataclass(frozen=True)
class OneRun:
    """The answer of `one_run_grid`: the bound, its ceiling (every guess right), and the grid it was taken over."""

    epsilon: float
    ceiling: float
    guesses: int
    right: int
    rows: tuple[tuple[int, int, float], ...]  # (guesses, right, epsilon) for each entry of the grid


def one_run_grid(
    scores: ArrayLike, bits: ArrayLike, grid: Sequence[int], delta: float = 0.0, alpha: float = 0.05
) -> OneRun:
    """One-run bound over a declared grid of numbers of guesses, each at alpha / len(grid) (Bonferroni).

    Args:
        scores: float (m,), positive means bit 1; the guesses are the `r` largest by magnitude.  A score of exactly 0
            is no guess and is counted wrong, so ties cannot help.
        bits: bool (m,).
        grid: numbers of guesses, fixed before looking at `bits`; those above m are dropped.
    """
    s, b = np.asarray(scores, np.float64), np.asarray(bits, bool)
    grid = sorted({int(r) for r in grid if 0 < r <= s.size})
    if not grid:
        raise ValueError(f"no number of guesses in the grid fits {s.size} slots")
    order = np.argsort(-np.abs(s), kind="stable")
    right = np.cumsum(((s > 0) == b)[order] & (s[order] != 0))
    level = alpha / len(grid)
    rows = tuple((r, int(right[r - 1]), one_run_epsilon(s.size, r, int(right[r - 1]), delta, level)) for r in grid)
    best = max(rows, key=lambda t: t[2])
    ceiling = max(one_run_epsilon(s.size, r, r, delta, level) for r in grid)
    return OneRun(best[2], ceiling, best[0], best[1], rows)
