"""Sign-free releases: encodings are linear in the images, so ordinary least squares solves for all of them at once.

Carlini et al. 2021, 4.5.3: min_A ||C A - B||^2, B the encodings, C the coefficients, one solve for all pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Mixing


def solve(values: Tensor, mixing: Mixing, *, rounds: int = 3, ridge: float = 1e-4) -> tuple[Tensor, Tensor]:
    """Weighted least squares; weights are re-estimated from each encoding's residual.

    Args:
        values: float32 (E, P) signed encodings.
        mixing: coefficients of the N unknowns and of the mean public image.

    Returns:
        Images float32 (N + 1, P) and residual variances (E,).
    """
    noise = torch.ones(len(values), device=values.device)
    images = torch.zeros(mixing.unknowns + 1, values.shape[1], device=values.device)
    for _ in range(max(1, rounds)):
        weights = 1 / noise
        right = mixing.adjoint(values, slice(None), weights)
        images = torch.linalg.solve(mixing.normal(weights, ridge), right)
        residual = ((values - mixing.forward(images, slice(None))) ** 2).mean(1)
        noise = residual.clamp_min(max(1e-8, 0.05 * float(residual.median())))
    return images, noise
