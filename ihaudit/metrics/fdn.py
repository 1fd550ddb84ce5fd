"""SSIM as the released code of Luo et al. (AAAI 2022) computes it, for comparison with their tables only.

A Gaussian window of even size 8 (so off centre by a pixel), zero padding of 4, data range 1, on images normalised by
the mean and deviation of each channel, no clipping, a mean over everything.  An unrelated image reaches about 0.12 by
it, where the pinned statistic gives about 0.04: small values are evidence of nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from ihaudit.contracts.metric import metric

if TYPE_CHECKING:  # imported on first use: reports read the names of metrics, and need no torch
    from torch import Tensor

_SIZE, _SIGMA, _PAD, _C1, _C2 = 8, 1.5, 4, 1e-4, 9e-4
#: of CIFAR-10, as that code normalises all its private images
_MEAN, _DEVIATION = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


@metric(
    "ssim_fdn",
    "SSIM as in Luo et al.’s code, mean",
    hint="for comparison with that paper only; an unrelated image reaches about 0.12",
    floor=-1.0,
    ceiling=1.0,
    order=21,
)
def ssim_fdn(a: NDArray[Any], b: NDArray[Any], *, device: str = "cpu") -> NDArray[np.float64]:
    """That statistic of image pairs (B, H, W, C) in [0, 1]: float64 (B,).  `device` is not used."""
    x, y = _normalised(a), _normalised(b)
    mean_x, mean_y = _smooth(x), _smooth(y)
    spread_x, spread_y = _smooth(x * x) - mean_x**2, _smooth(y * y) - mean_y**2
    cross = _smooth(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + _C1) * (2 * cross + _C2)
    result: NDArray[np.float64] = (top / ((mean_x**2 + mean_y**2 + _C1) * (spread_x + spread_y + _C2))).mean((1, 2, 3))
    return result


def ssim_fdn_tensors(a: Tensor, b: Tensor) -> Tensor:
    """`ssim_fdn`, differentiable, of float (B, 3, H, W) tensors, of which [0, 1] is the range of images: (B,)."""
    import torch
    from torch.nn import functional as F

    mean, deviation = (a.new_tensor(v)[:, None, None] for v in (_MEAN, _DEVIATION))
    taps = a.new_tensor(_taps())
    window = (taps[:, None] * taps).expand(a.shape[1], 1, -1, -1)

    def smooth(x: Tensor) -> Tensor:
        return F.conv2d(x, window, padding=_PAD, groups=x.shape[1])

    x, y = ((v - mean) / deviation for v in (a, b))
    stacked = smooth(torch.cat([x, y, x * x, y * y, x * y]))
    mean_x, mean_y, square_x, square_y, product = stacked.chunk(5)
    top = (2 * mean_x * mean_y + _C1) * (2 * (product - mean_x * mean_y) + _C2)
    spread = square_x - mean_x**2 + square_y - mean_y**2
    return (top / ((mean_x**2 + mean_y**2 + _C1) * (spread + _C2))).mean((1, 2, 3))


def _normalised(images: NDArray[Any]) -> NDArray[np.float64]:
    """Images (B, H, W, C) by channel, zeros around them."""
    x = np.asarray(images, np.float64)
    mean, deviation = np.array(_MEAN), np.array(_DEVIATION)
    if x.shape[3] != 3:
        mean, deviation = mean.mean(keepdims=True), deviation.mean(keepdims=True)
    x = (x - mean) / deviation
    return np.pad(x, ((0, 0), (_PAD, _PAD), (_PAD, _PAD), (0, 0)))


def _smooth(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted means over windows of 8 x 8 that lie wholly within the padded images, (B, H + 1, W + 1, C)."""
    window = _taps()
    for axis in (1, 2):
        x = correlate1d(x, window, axis=axis, mode="constant")
    # the window of output i reaches from i - 4 to i + 3
    result: NDArray[np.float64] = x[:, _PAD : x.shape[1] - _PAD + 1, _PAD : x.shape[2] - _PAD + 1]
    return result


def _taps() -> NDArray[np.float64]:
    """The window along one axis, (8,)."""
    window = np.exp(-((np.arange(_SIZE) - _SIZE // 2) ** 2) / (2 * _SIGMA**2))
    normed: NDArray[np.float64] = window / window.sum()
    return normed
