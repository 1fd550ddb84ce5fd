"""The range of released values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def in_range(values: NDArray[np.float32], similar: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values in [0, 1] or bytes as they are; others by the mean and deviation of similar images."""
    low, high = float(values.min()), float(values.max())
    if low >= -1e-4 and high <= 1 + 1e-4:
        return values
    if low >= 0 and 128 < high <= 255:
        return values / np.float32(255)
    scaled: NDArray[np.float32] = (values - values.mean()) / max(float(values.std()), 1e-9)
    out: NDArray[np.float32] = scaled * similar.std() + similar.mean()
    return out
