"""The learned image prior on least-squares images, and the features from which their SSIM is expected."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.scratch import Rows
from ihaudit.attacks.numerics.standard_errors import standard_errors
from ihaudit.errors import NotApplicable
from ihaudit.nn.restorer import Restorer
from ihaudit.nn.unet import MIN_SIDE

Shape = tuple[int, int, int]
_BATCH = 64


@torch.no_grad()
def restored(
    net: Restorer,
    values: Rows,
    signs: Rows,
    mixing: Mixing,
    estimate: Reconstruction,
    certainty: Tensor,
    shape: Shape,
    image_range: tuple[float, float],
) -> tuple[Tensor, Tensor]:
    """Features of confidence float32 (N, PICTURE) and restored images (N, P) in mixing units.

    Args:
        values: float32 (E, P) magnitudes; signs: float (E, P) expected signs.
        certainty: float32 (N,), mean posterior of the encodings that hold each image (`mean_certainty`).
        shape: (C, H, W).

    Raises:
        NotApplicable: images that are neither grey nor in colour, or too small.
    """
    c, h, w = shape
    if c not in (1, 3) or min(h, w) < MIN_SIDE:
        raise NotApplicable(f"the restorer needs grey or colour images of at least 16 pixels, not {c}x{h}x{w}")
    scaled, doubt, error = restorer_inputs(values, signs, mixing, estimate, image_range)
    middle, half = _centre(image_range)
    images, quality = torch.empty_like(scaled), torch.empty(len(scaled), device=scaled.device)
    for i in range(0, len(scaled), _BATCH):
        part = slice(i, i + _BATCH)
        images[part], quality[part] = _apply(net, scaled[part], doubt[part], error[part], shape)
    share = doubt.square().mean(1).sqrt() / error.clamp_min(1e-6)
    features = torch.stack([quality, error.clamp_min(1e-5).log(), certainty.to(error.device), share], 1)
    return features, images * half + middle


def restorer_inputs(
    values: Rows, signs: Rows, mixing: Mixing, estimate: Reconstruction, image_range: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor]:
    """Estimates float32 (N, P), doubt (N, P) and standard errors (N,) on [-1, 1], as the restorer is given them;
    arguments as of `restored`."""
    error, doubt = standard_errors(values, signs, mixing, estimate)
    middle, half = _centre(image_range)
    return (estimate.images[:-1] - middle) / half, doubt / half, error / half


def _centre(image_range: tuple[float, float]) -> tuple[float, float]:
    low, high = image_range
    return (low + high) / 2, max((high - low) / 2, 1e-9)


def _apply(net: Restorer, estimate: Tensor, doubt: Tensor, error: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    c, h, w = shape

    def colour(v: Tensor) -> Tensor:
        return v.view(-1, c, h, w).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)

    image, quality = net(colour(estimate), colour(doubt), error)
    if c == 1:
        image = image.mean(1, keepdim=True)
    return image.reshape(len(estimate), -1), quality


def mean_certainty(
    members: NDArray[np.int64], coefficients: NDArray[np.float32], certainty: NDArray[np.float32] | None, unknowns: int
) -> Tensor:
    """float32 (N,): mean posterior of the encodings that hold each image, weighted by lambda squared.

    Args:
        members: int64 (E, s), -1 where undecided; coefficients: float32 (E, s).
        certainty: float32 (E,) posteriors, or None for certain ones.
    """
    sure = np.ones(len(members), np.float32) if certainty is None else certainty
    present = members >= 0
    weight = np.where(present, coefficients, 0) ** 2
    ids = np.where(present, members, 0).ravel()
    total = np.bincount(ids, weight.ravel(), minlength=unknowns)[:unknowns]
    certain = np.bincount(ids, (weight * sure[:, None]).ravel(), minlength=unknowns)[:unknowns]
    return torch.from_numpy((certain / np.maximum(total, 1e-9)).astype(np.float32))
