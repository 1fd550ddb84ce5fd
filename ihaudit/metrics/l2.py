"""Mean squared error as the InstaHide Challenge takes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.metric import metric


@metric("l2", "L2, mean", hint="0 = identical", floor=0.0, ceiling=4.0, higher_is_better=False, order=30)
def l2(guess: NDArray[Any], private: NDArray[Any], *, device: str = "cpu") -> NDArray[np.float64]:
    """Mean squared error with images mapped to [-1, 1], the challenge's "L2".

    Args:
        guess, private: (B, H, W, C) in [0, 1]; `private` may also have B = 1.
        device: without effect.

    Returns:
        float64 (B,), 0 for equal images and at most 4.

    Raises:
        ValueError: shapes that do not match.
    """
    a, b = np.asarray(guess), np.asarray(private)
    if a.ndim < 2 or a.shape[1:] != b.shape[1:] or len(b) not in (1, len(a)):
        raise ValueError(f"images of shape {a.shape} cannot be compared one by one with {b.shape}")
    difference = a.astype(np.float64) - b.astype(np.float64)
    out: NDArray[np.float64] = 4.0 * np.mean(difference**2, axis=tuple(range(1, a.ndim)))
    return out
