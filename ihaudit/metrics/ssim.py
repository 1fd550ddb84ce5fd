"""Structural similarity, pinned: one convention for verdicts and one for comparison with published figures.

SSIM is not one number: window, covariance and data range all change it, so both conventions are fixed here, printed in
every report (`SETTINGS`) and tested against scikit-image's `structural_similarity`.

* `ssim`: images in [0, 1], data_range 1, 11x11 Gaussian window with sigma 1.5, population covariance
  (Wang, Bovik, Sheikh, Simoncelli 2004, and scikit-image's ``gaussian_weights=True, sigma=1.5,
  use_sample_covariance=False``).
* `ssim_challenge`: scikit-image's defaults (uniform 7x7, sample covariance) on images mapped to [-1, 1] with
  data_range 2.  It is the stricter of the two: mapped to [-1, 1], a mid-grey mean is 0 and the luminance term
  punishes small errors around it (SSIM is not shift-invariant).

Both average over the region where the whole window fits, then over channels.  Where a side of the image is shorter than
the window, the largest odd window that fits is used (scikit-image refuses such images).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.metric import Metric, metric, named
from ihaudit.metrics.threads import one_thread

if TYPE_CHECKING:  # imported on first use: reports read the names of metrics, and need no torch
    import torch
    from torch import Tensor

K1, K2, SIGMA = 0.01, 0.03, 1.5

#: Bytes that one block of intermediate maps may take.
_BLOCK_BYTES = 48 << 20


@dataclass(frozen=True)
class _Kind:
    """One convention: images in [0, 1] are mapped to ``scale * x + offset`` first."""

    gaussian: bool
    size: int
    scale: float
    offset: float
    data_range: float
    sample: bool

    @property
    def c1(self) -> float:
        return (K1 * self.data_range) ** 2

    @property
    def c2(self) -> float:
        return (K2 * self.data_range) ** 2

    def settings(self) -> dict[str, Any]:
        """The convention in words and numbers."""
        return {
            "range": [int(self.offset), int(self.scale + self.offset)],
            "data_range": self.data_range,
            "window": "gaussian" if self.gaussian else "uniform",
            "size": self.size,
            **({"sigma": SIGMA} if self.gaussian else {}),
            "covariance": "sample" if self.sample else "population",
            "K1": K1,
            "K2": K2,
            "region": "valid",
            "channels": "mean",
        }

    def window(self, height: int, width: int) -> int:
        """The side of the window for images of this size."""
        side = min(self.size, height, width)
        return side - (side % 2 == 0)

    def covariance_norm(self, side: int) -> float:
        """scikit-image's n / (n - 1) correction of the sample covariance over a window of side x side values."""
        n = side * side
        return n / (n - 1) if self.sample else 1.0


named(
    Metric(
        "answered",
        "Private images with an answer",
        "%",
        "the others count as not recovered: SSIM 0",
        floor=0.0,
        ceiling=1.0,
        order=9,
    )
)
named(Metric("ssim_median", "SSIM, median", floor=-1.0, ceiling=1.0, order=11))
named(Metric("ssim_q90", "SSIM, 90 % quantile", floor=-1.0, ceiling=1.0, gated=True, order=12))
named(Metric("ssim_best", "SSIM, best image", floor=-1.0, ceiling=1.0, order=13))
named(Metric("ssim_worst", "SSIM, worst image", floor=-1.0, ceiling=1.0, order=14))

_PINNED = _Kind(gaussian=True, size=11, scale=1.0, offset=0.0, data_range=1.0, sample=False)
_CHALLENGE = _Kind(gaussian=False, size=7, scale=2.0, offset=-1.0, data_range=2.0, sample=True)

#: What a report prints and `results.environment.ssim` holds.
SETTINGS: dict[str, Any] = {"ssim": _PINNED.settings(), "ssim_challenge": _CHALLENGE.settings()}


@metric(
    "ssim",
    "SSIM, mean",
    hint="1 = identical; one score per private image",
    floor=-1.0,
    ceiling=1.0,
    gated=True,
    order=10,
    unanswered=0.0,
)
def ssim(a: NDArray[Any], b: NDArray[Any], *, device: str = "cpu") -> NDArray[np.float64]:
    """Pinned SSIM of image pairs.

    Args:
        a, b: (B, H, W, C) in [0, 1], same shape; b may also have B = 1.
        device: torch device to compute on.

    Returns:
        float64 (B,), at most 1.

    Raises:
        ValueError: shapes that do not match, values that are not finite or outside [0, 1], or a side below 3.
    """
    return _paired(a, b, _PINNED, device)


def ssim_tensors(a: Tensor, b: Tensor) -> Tensor:
    """Pinned SSIM, differentiable and in their precision, of float (B, C, H, W) tensors in [0, 1]: (B,)."""
    ua, ub = _smooth(a, _PINNED), _smooth(b, _PINNED)
    va, vb = _smooth(a * a, _PINNED) - ua * ua, _smooth(b * b, _PINNED) - ub * ub
    cross = _smooth(a * b, _PINNED) - ua * ub
    top = (2 * ua * ub + _PINNED.c1) * (2 * cross + _PINNED.c2)
    return (top / ((ua * ua + ub * ub + _PINNED.c1) * (va + vb + _PINNED.c2))).mean(dim=(1, 2, 3))


@metric(
    "ssim_challenge",
    "Challenge’s SSIM, mean",
    hint="the InstaHide Challenge’s stricter kind",
    floor=-1.0,
    ceiling=1.0,
    order=20,
    unanswered=0.0,
)
def ssim_challenge(a: NDArray[Any], b: NDArray[Any], *, device: str = "cpu") -> NDArray[np.float64]:
    """SSIM in the challenge's convention of image pairs given in [0, 1]; arguments and errors as for `ssim`."""
    return _paired(a, b, _CHALLENGE, device)


@one_thread()
def pairwise_ssim(
    a: NDArray[Any], b: NDArray[Any], *, challenge: bool = False, device: str = "cpu"
) -> NDArray[np.float32]:
    """SSIM of every pair, in blocks of bounded memory and in single precision (error about 1e-4).

    Meant for matching and ranking; figures that are reported come from `ssim` on the chosen pairs.

    Args:
        a: (R, H, W, C) in [0, 1].
        b: (N, H, W, C) in [0, 1].
        challenge: use the `ssim_challenge` convention.
        device: torch device to compute on.

    Returns:
        float32 (R, N).

    Raises:
        ValueError: as for `ssim`.
    """
    a, b = _checked(a), _checked(b)
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(f"images of shape {a.shape[1:]} cannot be compared with images of shape {b.shape[1:]}")
    out = np.empty((len(a), len(b)), np.float32)
    rows, columns = _Moments.of(a, challenge, device), _Moments.of(b, challenge, device)
    per_pair = 4 * 3 * int(np.prod(a.shape[1:]))
    width = max(1, min(len(b), 64))
    height = max(1, _BLOCK_BYTES // (per_pair * width))
    for i in range(0, len(a), height):
        for j in range(0, len(b), width):
            left, right = rows.part(i, height), columns.part(j, width)
            cross = left.images[:, None] * right.images[None]
            out[i : i + height, j : j + width] = _combine_pairs(cross, left, right, np.s_[:, None], np.s_[None])
    return out


@one_thread()
def ssim_of_pairs(
    a: NDArray[Any], b: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any], *, device: str = "cpu"
) -> NDArray[np.float32]:
    """Pinned SSIM, single precision, of the listed pairs ``(a[rows[p]], b[columns[p]])`` only: float32 (P,)."""
    a, b = _checked(a), _checked(b)
    left, right = _Moments.of(a, False, device), _Moments.of(b, False, device)
    out = np.empty(len(rows), np.float32)
    for part in _blocks(len(rows), 4 * 6 * int(np.prod(a.shape[1:]))):
        l, r = left.take(rows[part]), right.take(columns[part])
        out[part] = _combine_pairs(l.images * r.images, l, r, np.s_[:], np.s_[:])
    return out


def _checked(x: NDArray[Any]) -> NDArray[Any]:
    x = np.asarray(x)
    if x.ndim != 4:
        raise ValueError(f"SSIM expects images of shape (B, H, W, C), not {x.shape}")
    if min(x.shape[1:3]) < 3:
        raise ValueError(f"SSIM needs images of at least 3x3 pixels, not {x.shape[1]}x{x.shape[2]}")
    if x.dtype == np.uint8:
        return x / np.float32(255)
    # NaN fails the comparison as well, so one test covers both.
    if x.size and not (float(x.min()) >= -1e-4 and float(x.max()) <= 1 + 1e-4):
        raise ValueError(f"SSIM expects values in [0, 1]; found {float(x.min()):g} to {float(x.max()):g}")
    return x


@cache
def _filter(length: int, size: int, gaussian: bool, device: str, dtype: torch.dtype) -> Tensor:
    """The one-dimensional window as a (length - size + 1, length) matrix: its rows are the windows that fit."""
    import torch

    taps = np.ones(size)
    if gaussian:
        taps = np.exp(-0.5 * ((np.arange(size) - size // 2) / SIGMA) ** 2)
    taps /= taps.sum()
    matrix = np.zeros((length - size + 1, length))
    for i in range(len(matrix)):
        matrix[i, i : i + size] = taps
    return torch.as_tensor(matrix, dtype=dtype, device=device)


def _smooth(x: Tensor, kind: _Kind) -> Tensor:
    """Windowed means (..., H', W') of (..., H, W), over the valid region."""
    import torch

    h, w = int(x.shape[-2]), int(x.shape[-1])
    side = kind.window(h, w)
    across = _filter(w, side, kind.gaussian, str(x.device), x.dtype)
    down = _filter(h, side, kind.gaussian, str(x.device), x.dtype)
    return torch.matmul(down, torch.matmul(x, across.T))


def _blocks(n: int, bytes_each: int) -> Iterator[slice]:
    step = max(1, _BLOCK_BYTES // max(1, bytes_each))
    for i in range(0, n, step):
        yield slice(i, min(n, i + step))


def _planes(x: NDArray[Any], kind: _Kind, device: str, dtype: torch.dtype) -> Tensor:
    """(B, H, W, C) in [0, 1] as (B, C, H, W) in the convention's own range."""
    import torch

    t = torch.as_tensor(np.ascontiguousarray(np.moveaxis(x, -1, 1)), device=device).to(dtype)
    return t * kind.scale + kind.offset


@one_thread()
def _paired(a: NDArray[Any], b: NDArray[Any], kind: _Kind, device: str) -> NDArray[np.float64]:
    import torch

    a, b = _checked(a), _checked(b)
    if a.shape[1:] != b.shape[1:] or len(b) not in (1, len(a)):
        raise ValueError(f"images of shape {a.shape} cannot be compared one by one with {b.shape}")
    out = np.empty(len(a), np.float64)
    side = kind.window(a.shape[1], a.shape[2])
    norm = kind.covariance_norm(side)
    # Double precision: a variance is a small difference of large moments, and C2 is only 9e-4.
    for part in _blocks(len(a), 8 * 8 * int(np.prod(a.shape[1:]))):
        x = _planes(a[part], kind, device, torch.float64)
        y = _planes(b if len(b) == 1 else b[part], kind, device, torch.float64).expand_as(x)
        ux, uy = _smooth(x, kind), _smooth(y, kind)
        vx = norm * (_smooth(x * x, kind) - ux * ux)
        vy = norm * (_smooth(y * y, kind) - uy * uy)
        vxy = norm * (_smooth(x * y, kind) - ux * uy)
        top = (2 * ux * uy + kind.c1) * (2 * vxy + kind.c2)
        bottom = (ux * ux + uy * uy + kind.c1) * (vx + vy + kind.c2)
        out[part] = (top / bottom).mean(dim=(1, 2, 3)).cpu().numpy()
    return out


@dataclass(frozen=True, eq=False)
class _Moments:
    """Images, centred to lose no digits, with what SSIM needs of each alone: true windowed mean, and variance."""

    images: Tensor  # (B, C, H, W), centred
    mean: Tensor  # (B, C, H', W') of the centred images
    variance: Tensor  # (B, C, H', W')
    kind: _Kind
    shift: float

    @classmethod
    def of(cls, x: NDArray[Any], challenge: bool, device: str) -> _Moments:
        import torch

        kind = _CHALLENGE if challenge else _PINNED
        shift = kind.scale * 0.5 + kind.offset
        images = _planes(x, kind, device, torch.float32) - shift
        mean = _smooth(images, kind)
        norm = kind.covariance_norm(kind.window(x.shape[1], x.shape[2]))
        variance = norm * (_smooth(images * images, kind) - mean * mean)
        return cls(images, mean, variance.clamp_(min=0), kind, shift)

    def part(self, start: int, length: int) -> _Moments:
        s = slice(start, start + length)
        return _Moments(self.images[s], self.mean[s], self.variance[s], self.kind, self.shift)

    def take(self, index: NDArray[Any]) -> _Moments:
        import torch

        i = torch.as_tensor(np.asarray(index), device=self.images.device)
        return _Moments(self.images[i], self.mean[i], self.variance[i], self.kind, self.shift)


def _combine_pairs(cross: Tensor, left: _Moments, right: _Moments, li: Any, ri: Any) -> NDArray[np.float32]:
    """SSIM from the products `cross` (..., C, H, W); `li` and `ri` index the moments so that they broadcast."""
    kind = left.kind
    norm = kind.covariance_norm(kind.window(int(cross.shape[-2]), int(cross.shape[-1])))
    ml, mr = left.mean[li], right.mean[ri]
    covariance = _smooth(cross, kind).sub_(ml * mr).mul_(norm)
    ul, ur = ml + left.shift, mr + right.shift
    top = (2 * ul * ur + kind.c1).mul_(covariance.mul_(2).add_(kind.c2))
    bottom = (ul * ul + (ur * ur + kind.c1)).mul_(left.variance[li] + (right.variance[ri] + kind.c2))
    return top.div_(bottom).mean(dim=(-3, -2, -1)).cpu().numpy()
