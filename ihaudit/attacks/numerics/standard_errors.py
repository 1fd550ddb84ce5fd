"""How sure a reconstruction is: standard errors from its encodings' noise and undecided signs, and expected SSIM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.em import accumulated
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.scratch import Rows
from ihaudit.metrics.ssim import ssim

_DRAWS = 4


def variances(mixing: Mixing, noise: Tensor, ridge: float = 1e-3) -> Tensor:
    """Variance (N,) of every value of each image by least squares, from noise variances (E,)."""
    result: Tensor = torch.linalg.inv(mixing.normal(1 / noise, ridge)).diagonal()[:-1]
    return result


def standard_errors(values: Rows, signs: Rows, mixing: Mixing, estimate: Reconstruction) -> tuple[Tensor, Tensor]:
    """Standard errors of the reconstructions, in mixing units.

    Args:
        values: float32 (E, P) magnitudes; signs: (E, P) expected signs.
        mixing: the linear part.
        estimate: images (N + 1, P) and noise variances (E,).

    Returns:
        error: float32 (N,) by the information of all encodings (the square root of the diagonal of the inverse normal
        matrix); doubt: float32 (N, P) what the undecided signs alone contribute at each value.
    """
    weights = 1 / estimate.noise
    covariance = variances(mixing, estimate.noise).clamp_min(1e-10)
    squared = replace(mixing, coefficients=mixing.coefficients**2, share=mixing.share**2)

    def part(rows: slice, out: Tensor) -> None:
        undecided = values[rows].float() ** 2 * (1 - signs[rows].float() ** 2).clamp_min(0)
        squared.add_adjoint(out, undecided, rows, weights[rows] ** 2)

    spread = accumulated(part, squared.blank(estimate.images), len(mixing), mixing.rows_at_once, values.device)
    doubt = spread[:-1].clamp_min(0).sqrt() * covariance[:, None]
    return covariance.sqrt(), doubt


def expected_ssim(
    images: NDArray[np.float32], draw: Callable[[np.random.Generator], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """How alike images and what they may really be are: pinned SSIM against draws from their posterior.

    Args:
        images: float32 (N, H, W, C) in [0, 1].
        draw: makes float32 (N, H, W, C) in the same units, clipped here, from a generator.

    Returns:
        float32 (N,).
    """
    rng = np.random.default_rng(0)
    total = np.zeros(len(images))
    for _ in range(_DRAWS):
        total += ssim(images, draw(rng).clip(0, 1).astype(np.float32))
    return (total / _DRAWS).astype(np.float32)
