"""Names of columns, by which equal ones are found."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def named(columns: NDArray[Any]) -> NDArray[np.uint64]:
    """uint64 (d,): a number for each column of whole numbers (n, d), equal for equal ones.

    It is a sum with fixed odd weights modulo 2^64; two columns of a few hundred thousand share one by chance with a
    probability of about 1e-8.
    """
    weights = np.random.default_rng(20_260).integers(1, 2**63, size=len(columns), dtype=np.uint64) * np.uint64(2)
    weights += np.uint64(1)
    out = np.zeros(columns.shape[1], np.uint64)
    for row, weight in zip(columns, weights, strict=True):
        out += row.astype(np.uint64) * weight
    return out
