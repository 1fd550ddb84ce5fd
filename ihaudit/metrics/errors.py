"""Pixel errors between image pairs: mean squared error as the InstaHide Challenge takes it, and PSNR."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: PSNR of identical images is infinite; it is reported as this many decibels (an error of 1e-5 per value).
PSNR_CEILING = 100.0


def l2(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """Mean squared error with images mapped to [-1, 1], the challenge's "L2".

    Args:
        a, b: (B, H, W, C) in [0, 1]; b may also have B = 1.

    Returns:
        float64 (B,), 0 for equal images and at most 4.

    Raises:
        ValueError: shapes that do not match.
    """
    return 4.0 * _mse(a, b)


def psnr(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio in dB for a data range of 1, at most `PSNR_CEILING`; arguments as for `l2`."""
    floor = 10 ** (-PSNR_CEILING / 10)
    return -10.0 * np.log10(np.maximum(_mse(a, b), floor))


def _mse(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim < 2 or a.shape[1:] != b.shape[1:] or len(b) not in (1, len(a)):
        raise ValueError(f"images of shape {a.shape} cannot be compared one by one with {b.shape}")
    difference = a.astype(np.float64) - b.astype(np.float64)
    return np.mean(difference**2, axis=tuple(range(1, a.ndim)))
