"""Sign-free releases: encodings are linear in the images, so ordinary least squares solves for all of them at once.

Carlini et al. 2021, 4.5.3: min_A ||C A - B||^2, B the encodings, C the coefficients, one solve for all pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.squares import dct, regress_out


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


def linear_features(values: Tensor, mass: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Whitened encodings float32 (E, D), linear in lam, and row weights (E,); the counterpart of `square_features`."""
    share = 1 - mass.sum(1)
    design = torch.stack([torch.ones_like(share), share], 1)
    coefficients = regress_out(dct(values, shape), design)
    coefficients = coefficients / (coefficients**2).mean(0).sqrt().clamp_min(1e-12)
    return coefficients, 1 / (coefficients**2).mean(1).clamp_min(1e-3)


def reassign(
    features: Tensor,
    weight: Tensor,
    slots_label: Tensor,
    mass: Tensor,
    members: Tensor,
    class_of: Tensor,
    *,
    sweeps: int = 3,
) -> Tensor:
    """Iterated conditional modes in the linear model: int64 (E, s) members from whitened encodings (E, D).

    Every sweep solves for the images' features, then lets each slot take its best image given the others, its own
    contribution to that image taken out.
    """
    members = members.clone()
    n = len(class_of)
    s = members.shape[1]
    for _ in range(sweeps):
        c = torch.zeros(len(members), n, device=features.device)
        active = torch.where(members >= 0, mass, torch.zeros_like(mass))
        c.scatter_add_(1, members.clamp_min(0), active)
        weighted = c * weight[:, None]
        gram = weighted.T @ c
        gram += 1e-4 * gram.diagonal().mean().clamp_min(1e-8) * torch.eye(n, device=c.device)
        inverse = torch.linalg.inv(gram)
        means = inverse @ (weighted.T @ features)
        leverage = ((c @ inverse) * weighted).sum(1).clamp_max(0.9)
        dots = features @ means.T
        inner = means @ means.T
        residual = features - c @ means
        power = (residual**2).sum(1)
        for slot in range(s):
            now = members[:, slot]
            mine = torch.where(now >= 0, mass[:, slot], torch.zeros_like(mass[:, slot]))
            others = c.clone()
            others.scatter_add_(1, now.clamp_min(0)[:, None], -mine[:, None])
            lam = mass[:, slot, None]
            score = lam * (dots - others @ inner) - lam**2 * inner.diagonal()[None] / 2
            # the present image explains this encoding's own noise; leaving the encoding out takes that share away
            penalty = leverage / (1 - leverage) * power
            score[torch.arange(len(score)), now.clamp_min(0)] -= torch.where(
                now >= 0, penalty, torch.zeros_like(penalty)
            )
            score = score.masked_fill(class_of[None] != slots_label[:, slot, None], -torch.inf)
            best = score.argmax(1)
            members[:, slot] = torch.where(slots_label[:, slot] >= 0, best, now)
            c = others.scatter_add_(1, members[:, slot].clamp_min(0)[:, None], mine[:, None])
    return members
