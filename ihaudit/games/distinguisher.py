"""From scores to guesses, advantages and bounds on epsilon: what every distinguishing game does with its trials.

Everywhere a positive score speaks for the *positive* hypothesis, and what is chosen (a threshold) is chosen on other
trials than those that are counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit import stats
from ihaudit.stats import Estimate

Scores = NDArray[Any]
Bits = NDArray[np.bool_]


def guess(scores: Scores, coin: np.random.Generator) -> Bits:
    """bool (T,), True where a score guesses positive; exact ties are decided by a fair coin, never by >=."""
    scores = np.nan_to_num(scores)  # what could not be scored is a tie too
    tie = coin.integers(2, size=len(scores)) == 0
    return np.where(scores == 0, tie, scores > 0)


def advantage(scores: Scores, positive: Bits, coin: np.random.Generator, alpha: float = 0.05) -> Estimate:
    """Advantage over trials whose hypothesis was drawn by a fair coin each."""
    return stats.advantage(int((guess(scores, coin) == positive).sum()), len(positive), alpha)


def share_right(scores: Scores, positive: Bits) -> float:
    """Share of right guesses, ties counted half: for choices on select trials."""
    return float(np.mean(np.where(scores == 0, 0.5, (scores > 0) == positive)))


def best_cut(scores: Scores, positive: Bits, *, balanced: bool = False) -> float:
    """The threshold above which to guess positive: most right guesses, or, `balanced`, the largest TPR - FPR.

    Halfway between two different scores, or beyond either end; on none of them, so that no score ties with it.
    """
    ordered = np.unique(scores)
    cuts = np.r_[ordered[0] - 1, (ordered[1:] + ordered[:-1]) / 2, ordered[-1] + 1]
    above = [group.sum() - np.searchsorted(np.sort(scores[group]), cuts, "right") for group in (positive, ~positive)]
    weights = (max(1, positive.sum()), max(1, (~positive).sum())) if balanced else (1, 1)
    return float(cuts[int(np.argmax(above[0] / weights[0] - above[1] / weights[1]))])


def two_arms(
    before: Scores, before_positive: Bits, scores: Scores, positive: Bits, coin: np.random.Generator
) -> dict[str, Estimate]:
    """Metrics of trials in two arms: advantage (Bonferroni on two exact intervals), AUC, and both rates at 1 % FPR.

    Args:
        before, before_positive: (S,) scores and arms of select trials, which the low threshold is taken from.
        scores, positive: (T,) those that are counted; above 0 is guessed positive.
    """
    guessed = guess(scores, coin)
    low = float(np.quantile(before[~before_positive], 0.99))
    p, n = int(positive.sum()), int((~positive).sum())
    return {
        "advantage": stats.link_advantage(int((guessed & positive).sum()), p, int((guessed & ~positive).sum()), n),
        "auc": stats.auc(scores, positive),
        "tpr_low_fpr": stats.rate(int((scores[positive] > low).sum()), p),
        "fpr_low_fpr": stats.rate(int((scores[~positive] > low).sum()), n),
    }


def epsilon(
    before: Scores, before_positive: Bits, scores: Scores, positive: Bits, kind: str, delta: float = 0.0
) -> dict[str, object]:
    """``details["epsilon"]``: the threshold is the best of 40 quantiles on `before`, the counts are from `scores`."""

    def counts(s: Scores, y: Bits, at: float) -> tuple[int, int, int, int]:
        return int((s[y] > at).sum()), int(y.sum()), int((s[~y] > at).sum()), int((~y).sum())

    grid = np.quantile(before, np.linspace(0.005, 0.995, 40)) if len(before) else np.zeros(1)
    at = max(grid, key=lambda t: stats.eps_lower(*counts(before, before_positive, t), delta))
    tp, p, fp, n = counts(scores, positive, at)
    return {
        "lower": epsilon_at_least(stats.eps_lower(tp, p, fp, n, delta), len(scores)),
        "delta": delta,
        "ceiling": stats.eps_ceiling(p, n, delta),
        "kind": kind,
        "counts": {"tp": tp, "positives": p, "fp": fp, "negatives": n},
    }


def epsilon_at_least(low: float, n: int) -> dict[str, object]:
    """A lower bound on epsilon from `n` trials, as reports read it: there is no upper one."""
    return {"value": low, "low": low, "high": None, "n": n}


def curve(scores: Scores, positive: Bits, points: int = 200) -> dict[str, list[float]]:
    """A ROC curve thinned for JSON, dense where FPR is small (the report plots it on log axes)."""
    r = stats.roc(scores, positive)
    keep = np.arange(r.fpr.size)
    if r.fpr.size > points:
        floor = 0.5 / max(1, int((~positive).sum()))
        keep = np.unique(np.searchsorted(r.fpr, np.geomspace(floor, 1.0, points)).clip(0, r.fpr.size - 1))
        # What is caught at no false alarm at all is a point of its own.
        none = int(np.searchsorted(r.fpr, 0.0, side="right")) - 1
        keep = np.union1d(keep, [0, none, r.fpr.size - 1])
    return {"fpr": r.fpr[keep].tolist(), "tpr": r.tpr[keep].tolist()}


def balanced_accuracy(answers: NDArray[np.int8], truth: NDArray[np.int8]) -> Estimate:
    """Mean over concepts of the accuracy balanced over both values, from (T, d) arrays in {-1, +1}.

    A constant answer gets exactly 0.5 however a concept splits these images.  The interval is Student's over
    challenges, with the share of each value taken as known.
    """
    share = np.clip((truth > 0).mean(0), 1e-9, 1 - 1e-9)
    weight = np.where(truth > 0, 1 / share, 1 / (1 - share)) / 2
    return stats.mean(((answers == truth) * weight).mean(1))
