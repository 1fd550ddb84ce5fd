"""Which encodings of an image hold it moved alike, from the log odds of pairs (Luo et al., AAAI 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Log odds beyond which a prior is not believed, whatever the pairs say; rounds of its estimation.
MOST, ROUNDS = 5.0, 40


def prior_odds(odds: Sequence[NDArray[np.floating]]) -> float:
    """Log of the odds that a pair is of neighbours, from all of them: its likeliest value (EM), within +-`MOST`.

    Args:
        odds: symmetric float (n, n) matrices of log odds of pairs at even prior odds; 0 where there are no pairs.
    """
    pairs = [s[np.triu_indices(len(s), 1)] for s in odds]
    s = np.clip(np.concatenate(pairs).astype(np.float64), -40, 40) if pairs else np.zeros(0)
    prior = 0.0
    for _ in range(ROUNDS if len(s) else 0):
        share = float((1 / (1 + np.exp(-(s + prior)))).mean())
        prior = float(np.clip(np.log(share / max(1 - share, 1e-12)), -MOST, MOST))
    return prior


def best_neighbourhood(odds: NDArray[np.floating]) -> NDArray[np.int64]:
    """The item with most neighbours, those with log odds above 0, and these: int64 (m,), rising.

    Of items with equally many the one whose neighbours are surest is taken.
    """
    near = odds > 0
    np.fill_diagonal(near, True)
    sure = np.where(near, np.tanh(odds), 0.0).sum(1)
    middle = int(np.lexsort((sure, near.sum(1)))[-1])
    return np.nonzero(near[middle])[0].astype(np.int64)
