"""Rows in an order that nobody knows: which of them are pictures among noise, and which two make one together.

Neighbouring pixels of pictures are alike, those of noise and of a share of a picture are not.  How alike they are in
the sum or difference of any two rows follows from inner products of rows, so that all pairs are tried at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Correlation of neighbours in pictures, at the median and for all but a tenth; and at most in noise.
PICTURE, LEAST, NOISE = 0.5, 0.3, 0.2
#: Rows of which all pairs are tried, at most; share of rows that must find a partner.
MAX_PAIRED, PAIRED = 3000, 0.7


def pictures_among(rows: NDArray[Any], count: int) -> tuple[NDArray[np.float32], str] | None:
    """`count` pictures among rows (E, H, W, C) of noise, or made of two rows each, in float32; None where none show.

    Values are brought to [0, 1] where they lie beyond it.
    """
    x = np.asarray(rows, np.float32)
    if x.ndim != 4 or min(x.shape[1:3]) < 8 or len(x) <= count or count < 8:
        return None
    own = _alike(*_products(x))
    order = np.argsort(-np.diag(own[0]))
    smooth = np.diag(own[0])[order]
    if (
        np.median(smooth[:count]) > PICTURE
        and np.quantile(smooth[:count], 0.1) > LEAST
        and np.median(smooth[count:]) < NOISE
    ):
        return _shown(x[np.sort(order[:count])]), "rows that are pictures, among others that are none"
    if len(x) != 2 * count or len(x) > MAX_PAIRED or np.median(smooth) > LEAST:
        return None
    for sign, words in ((1, "sums"), (-1, "differences")):
        table = own[1 if sign > 0 else 2].copy()
        np.fill_diagonal(table, -1)
        best = table.argmax(1)
        mutual = np.flatnonzero((best[best] == np.arange(len(x))) & (np.arange(len(x)) < best))
        if 2 * len(mutual) > PAIRED * len(x) and np.median(table[mutual, best[mutual]]) > PICTURE:
            return _shown(x[mutual] + sign * x[best[mutual]]), f"{words} of two rows each, found by how smooth they are"
    return None


def _products(x: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inner products of rows, and of rows with their neighbours' values."""
    x = x - x.mean((1, 2, 3), keepdims=True)
    flat = x.reshape(len(x), -1)
    down = x[:, :-1].reshape(len(x), -1) @ x[:, 1:].reshape(len(x), -1).T
    across = x[:, :, :-1].reshape(len(x), -1) @ x[:, :, 1:].reshape(len(x), -1).T
    return (flat @ flat.T).astype(np.float64), ((down + across) / 2).astype(np.float64)


def _alike(inner: NDArray[np.float64], lagged: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """How alike neighbours are: of single rows (on the diagonal), of sums, and of differences of two."""
    own, step = np.diag(inner), np.diag(lagged)
    both = lagged + lagged.T
    out = [np.diag(step / np.maximum(own, 1e-12))]
    for sign in (1, -1):
        energy = own[:, None] + own[None] + sign * 2 * inner
        out.append((step[:, None] + step[None] + sign * both) / np.maximum(energy, 1e-9 * max(float(own.max()), 1e-12)))
    return out


def _shown(x: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = (float(v) for v in np.quantile(x, [0.005, 0.995]))
    if low < -0.02 or high > 1.02 or high < 0.2:
        x = (x - low) / max(high - low, 1e-9)
    shown: NDArray[np.float32] = np.clip(x, 0, 1).astype(np.float32)
    return shown
