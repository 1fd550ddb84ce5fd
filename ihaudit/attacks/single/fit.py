"""Coefficients of known images in a mixture whose signs are partly known."""

from __future__ import annotations

import torch
from torch import Tensor

#: Values count as known from this certainty |P(+) - P(-)| on; pairs that are not keep a small weight, so that a fit
#: always exists.
_SURE, _UNSURE_WEIGHT = 0.8, 0.01
_ROUNDS = 4


def fit_coefficients(
    logits: Tensor, magnitude: Tensor, images: Tensor, used: Tensor, mean: Tensor, start: Tensor
) -> Tensor:
    """Robust least squares on differences of neighbouring pixels whose signs are both known.

    Differences, because what is not explained (the private image) is a photograph: its neighbouring pixels are alike,
    its differences nearly uncorrelated and mostly small, and where they are large (edges) absolute deviations, here
    by re-weighting, keep them from pulling the fit.  Values of doubtful sign are left out: their posterior mean is
    shrunk, which would bias every coefficient downwards.

    Args:
        logits, magnitude: (R, C, H, W).
        images: (R, k, C, H, W), less the mean public image.
        used: bool (R, k).
        mean: (1, C, H, W) mean public image.
        start: (R, k) current coefficients, the centre of the first re-weighting.

    Returns:
        (R, k), at least 0, 0 where not used; a row's sum is at most 1.
    """
    t = torch.tanh(logits / 2)
    sure = (t.abs() > _SURE).float()
    weight = _pairs(sure, torch.mul).clamp_min(_UNSURE_WEIGHT)
    y = _pairs(magnitude * t.sign() - mean, torch.sub)
    u = _pairs(images, torch.sub) * used[..., None]
    c = start
    for _ in range(_ROUNDS):
        residual = (y - torch.einsum("rk,rkp->rp", c, u)).abs()
        typical = (residual * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)
        w = weight / (residual + 0.3 * typical + 1e-6)
        uw = u * w[:, None]
        a, b = torch.matmul(uw, u.transpose(1, 2)), torch.einsum("rkp,rp->rk", uw, y)
        ridge = 1e-4 * a.diagonal(dim1=1, dim2=2) + 1e-6 * (1 + a.diagonal(dim1=1, dim2=2).amax(1, keepdim=True))
        a = a + torch.diag_embed(torch.where(used, ridge, torch.ones(())))
        c = torch.linalg.solve(a.double(), b.double()).float().clamp(0, 1) * used
    return c / c.sum(1, keepdim=True).clamp_min(1)


def _pairs(x: Tensor, combine: object) -> Tensor:
    """`combine` (subtract or multiply) of horizontal and vertical neighbours of (..., C, H, W), flattened: (..., P)."""
    across = combine(x[..., :, 1:], x[..., :, :-1]).flatten(-3)  # type: ignore[operator]
    down = combine(x[..., 1:, :], x[..., :-1, :]).flatten(-3)  # type: ignore[operator]
    return torch.cat([across, down], -1)
