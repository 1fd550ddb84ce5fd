"""Losses of the mask recovery network, and its figures of merit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.mixtures import Batch


def sign_loss(logits: Tensor, batch: Batch, *, tie_break: float = 0.1) -> Tensor:
    """Cross-entropy of the signs, each value weighted by its magnitude; scalar.

    Where nothing is known, |m| and -|m| are the same encoding, so the better of the two global signs counts; a small
    share (`tie_break`) of the plain loss makes the network choose the one that images more often have.
    """
    target = batch.mixture
    weight = target.abs() / (target.abs().mean((1, 2, 3), keepdim=True) + 1e-6)
    agree = logits * target.sign()
    right = (weight * F.softplus(-agree)).mean((1, 2, 3))
    flipped = (weight * F.softplus(agree)).mean((1, 2, 3))
    blind = torch.minimum(right, flipped) + tie_break * right
    return torch.where(batch.blind, blind, right).mean()


class Critic(nn.Module):
    """Discriminator of the optional GAN loss: is the second image a mixture, given |mixture|?  One logit per patch."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(6, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.GroupNorm(4, 2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 3, 1, 1),
        )

    def forward(self, magnitude: Tensor, mixture: Tensor) -> Tensor:
        return self.layers(torch.cat([magnitude, mixture], 1))


def soft_mixture(logits: Tensor, magnitude: Tensor) -> Tensor:
    """Posterior mean of the mixture: |m| tanh(logit / 2)."""
    return magnitude * torch.tanh(logits / 2)


def critic_loss(critic: Critic, logits: Tensor, batch: Batch) -> Tensor:
    """Hinge loss of the critic on true mixtures (either global sign is true) and on recoloured ones."""
    magnitude = batch.mixture.abs()
    side = torch.where(batch.blind & (logits.detach().mean((1, 2, 3)) < 0), -1.0, 1.0)[:, None, None, None]
    true = critic(magnitude, batch.mixture * side)
    false = critic(magnitude, soft_mixture(logits.detach(), magnitude))
    return F.relu(1 - true).mean() + F.relu(1 + false).mean()


@dataclass(frozen=True)
class SignShare:
    """Shares of sign bits right, weighted by |m|, averaged over mixtures.

    `best`: nothing known, up to the global sign; `guessed`: nothing known, global sign included; `known`: part known.
    """

    best: float
    guessed: float
    known: float


@torch.no_grad()
def sign_share(logits: Tensor, batch: Batch) -> SignShare:
    """See `SignShare`."""
    weight = batch.mixture.abs()
    right = ((logits * batch.mixture > 0) * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    blind = right[batch.blind]
    return SignShare(
        float(torch.maximum(blind, 1 - blind).mean()), float(blind.mean()), float(right[~batch.blind].mean())
    )
