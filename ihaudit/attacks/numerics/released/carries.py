"""Whether a part of a release says anything about the images that a linear map could use, before anything is fitted.

Kernel ridge regression of the images' first components on it, judged on calls that were held out.  It costs one inner
product per pair of rows, whatever the rows are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Components of the images that are predicted, at most.
COMPONENTS = 12
#: Strength of the ridge, as a share of the mean eigenvalue.
STRENGTH = 0.1
#: Standard errors of the mean correlation from which a part carries something.
ERRORS = 4.5


def carries(
    images: NDArray[np.float32], rows: NDArray[np.float32], labels: NDArray[np.int64], held: NDArray[np.int64]
) -> float:
    """Mean correlation, in standard errors, between what rows predict of held-out images and these, beyond the class.

    Args:
        images: float32 (n, H, W, C).
        rows: float32 (n, d).
        labels: int64 (n,); what the class alone says of an image is taken off, for it is released anyway.
        held: which are held out.
    """
    n = len(images)
    fit = np.setdiff1d(np.arange(n), held)
    if len(fit) < 12 or len(held) < 8:
        return 0.0
    x = without_classes(images.reshape(n, -1), labels, fit)
    y = rows.astype(np.float32)
    y = y - y[fit].mean(0)
    spread = y[fit].std(0)
    kept = spread > 1e-6 * max(float(spread.max(initial=0)), 1e-30)
    if not kept.any():
        return 0.0
    y = y[:, kept] / spread[kept]
    k = (y @ y[fit].T).astype(np.float64)
    _, _, axes = np.linalg.svd(x[fit] - x[fit].mean(0), full_matrices=False)
    target = (x - x[fit].mean(0)) @ axes[: min(COMPONENTS, len(fit) // 3)].T
    inner = k[fit]
    weights = np.linalg.solve(inner + STRENGTH * np.trace(inner) / len(fit) * np.eye(len(fit)), target[fit])
    guess, truth = k[held] @ weights, target[held]
    guess, truth = guess - guess.mean(0), truth - truth.mean(0)
    norm = np.sqrt((guess**2).sum(0) * (truth**2).sum(0))
    r = np.where(norm > 1e-12, (guess * truth).sum(0) / np.maximum(norm, 1e-12), 0.0)
    return float(r.mean() * np.sqrt(len(r) * (len(held) - 1)))


def most(held: int) -> float:
    """What `carries` is at most, with all components, where so many images are held out."""
    return float(np.sqrt(COMPONENTS * max(held - 1, 0)))


def without_classes(
    rows: NDArray[np.float32], labels: NDArray[np.int64], fit: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Rows less the mean of their class among those in `fit`."""
    out = rows.copy()
    for c in np.unique(labels):
        mine = labels == c
        some = fit[mine[fit]]
        if len(some):
            out[mine] -= rows[some].mean(0)
    return out
