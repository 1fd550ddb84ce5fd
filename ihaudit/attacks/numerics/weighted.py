"""Least squares from expected signed encodings, every encoding weighted by its own residual."""

from __future__ import annotations

import torch
from torch import Tensor

from ihaudit.attacks.numerics.em import Estimate, summed
from ihaudit.attacks.numerics.mixing import Mixing

#: rounds in which weights of encodings are re-estimated from their residuals, masks held
REWEIGHT = 3
#: weight of an encoding's own residual in the logarithm of its variance, for many encodings per image, and the number
#: of encodings per image at which it is half that (chosen on development seed 2, T = 10 and 50)
RESIDUAL_TRUST, RESIDUAL_HALF = 0.5, 40.0
_BATCH = 512


def weighted(values: Tensor, signs: Tensor, mixing: Mixing, noise: Tensor, *, by_labels: bool = False) -> Estimate:
    """Least squares for all images from expected signed encodings; variances are re-estimated from the residual.

    A residual's energy says more of how textured its public images are than of their weight, and where images have few
    encodings the fit has taken part of it.  The weight that the labels leave to public images says the rest: their
    variance goes with its power 1.7.

    Args:
        values: float32 (E, P) magnitudes; signs: float (E, P) expected signs.
        noise: float32 (E,) variances to begin with.
        by_labels: the coefficients are known from labels, and public images take part.
    """
    images = torch.zeros(0)
    by_label = mixing.share.clamp_min(0.02) ** 1.7
    each = len(mixing) * mixing.members.shape[1] / max(mixing.unknowns, 1)
    trust = RESIDUAL_TRUST * each / (each + RESIDUAL_HALF) if by_labels else 1.0
    for _ in range(REWEIGHT):
        spread = torch.empty_like(noise)

        def right(rows: slice, noise: Tensor = noise) -> Tensor:
            return mixing.adjoint(signs[rows].float() * values[rows], rows, 1 / noise[rows])

        images = torch.linalg.solve(mixing.normal(1 / noise), summed(right, len(mixing), _BATCH, values.device))

        def residual(rows: slice, images: Tensor = images, spread: Tensor = spread) -> Tensor:
            predicted = mixing.forward(images, rows)
            y = values[rows]
            spread[rows] = (y**2 - 2 * signs[rows].float() * y * predicted + predicted**2).mean(1)
            return predicted[:0].sum()

        summed(residual, len(mixing), _BATCH, values.device)
        # a perfectly explained encoding must not take all the weight
        noise = spread.clamp_min(max(1e-8, 0.05 * float(spread.median())))
        if trust < 1:
            level = by_label * (noise / by_label).median()
            noise = noise**trust * level ** (1 - trust)
    return Estimate(images, noise)
