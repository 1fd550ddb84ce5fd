"""Sets of tokens in a shuffled order: the order that all rows of a call have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ihaudit.release import FloatArray

Float32 = NDArray[np.float32]

#: rounds of assigning tokens and taking means; rows that the first means are made of
ROUNDS, SOME = 4, 24
#: most tokens of a row: the cost grows with their cube
MOST = 144


def in_order(x: FloatArray) -> Float32 | None:
    """Tokens (E, n, d) of a call, of every row in the order that fits the call's mean tokens best.

    Encoders that add a vector for each place and shuffle afterwards leave the place to be read off: tokens of one place
    are alike over the rows.  Means of places and assignments of tokens (Hungarian) take turns, as in k-means.  None
    where rows are no such sets, or their order is the same already.
    """
    x = np.asarray(x, np.float32)
    if x.ndim != 3 or len(x) < 8 or not 4 <= x.shape[1] <= MOST or x.shape[2] < 8:
        return None
    scale = max(float(x.std()), 1e-12)
    means = x[0] / scale
    out = x
    for r in range(ROUNDS):
        rows = x[: min(len(x), SOME * 2**r)] if r < ROUNDS - 1 else x
        out = _assigned(rows, means, scale)
        means = out.mean(0) / scale
    spread, before = (float(((v - v.mean(0)) ** 2).mean()) for v in (out, x))
    return out if spread < 0.97 * before else None


def _assigned(x: Float32, means: Float32, scale: float) -> Float32:
    out = np.empty_like(x)
    products = x.reshape(-1, x.shape[2]) @ means.T / scale
    cost = 0.5 * (means**2).sum(1)[None, None] - products.reshape(len(x), x.shape[1], -1)
    for i, c in enumerate(cost):
        tokens, places = linear_sum_assignment(c)
        out[i, places] = x[i, tokens]
    return out
