"""The mask recovery network fitted to mixtures: its losses, figures of merit, and task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.fitting import Task, TrainConfig, autocast
from ihaudit.nn.mixtures import MixtureBatch, Mixtures
from ihaudit.nn.unmask import UnmaskConfig, UnmaskNet


def sign_loss(logits: Tensor, batch: MixtureBatch, *, tie_break: float = 0.1) -> Tensor:
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
        logits: Tensor = self.layers(torch.cat([magnitude, mixture], 1))
        return logits


def soft_mixture(logits: Tensor, magnitude: Tensor) -> Tensor:
    """Posterior mean of the mixture: |m| tanh(logit / 2)."""
    return magnitude * torch.tanh(logits / 2)


def critic_loss(critic: Critic, logits: Tensor, batch: MixtureBatch) -> Tensor:
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
def sign_share(logits: Tensor, batch: MixtureBatch) -> SignShare:
    """See `SignShare`."""
    weight = batch.mixture.abs()
    right = ((logits * batch.mixture > 0) * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    blind = right[batch.blind]
    return SignShare(
        float(torch.maximum(blind, 1 - blind).mean()), float(blind.mean()), float(right[~batch.blind].mean())
    )


class UnmaskTask(Task[UnmaskNet, MixtureBatch]):
    """The mask recovery network on mixtures.

    Args:
        gan: weight of the adversarial loss (Carlini et al.'s way), 0 for none.
        start: a state to begin from.
    """

    def __init__(
        self,
        training: Mixtures,
        held_out: Mixtures,
        shape: UnmaskConfig | None = None,
        *,
        gan: float = 0.0,
        start: dict[str, Tensor] | None = None,
    ) -> None:
        self.training, self.held_out, self.gan, self.start = training, held_out, gan, start
        self.shape = shape or UnmaskConfig()
        super().__init__(self.shape.as_dict())
        self._held: list[MixtureBatch] = []

    def build(self) -> UnmaskNet:
        net = UnmaskNet(self.shape)
        if self.start is not None:
            net.load_state_dict(self.start)
        return net

    def prepare(self, config: TrainConfig) -> None:
        if not self.gan:
            return
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed + 1)
            critic = Critic().to(config.device)
        optimiser = torch.optim.AdamW(critic.parameters(), config.rate, betas=(0.5, 0.99))
        self.extra = {"critic": critic, "critic_optimiser": optimiser}

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> MixtureBatch:
        return self.training.draw(rng, config.batch).to(config.device)

    def logits(self, net: UnmaskNet, batch: MixtureBatch, config: TrainConfig) -> Tensor:
        """Sign logits (B, C, H, W)."""
        with autocast(config):
            magnitude = batch.mixture.abs().contiguous(memory_format=torch.channels_last)
            logits: Tensor = net(magnitude, batch.known.contiguous(memory_format=torch.channels_last))
        return logits.float()

    def loss(self, net: UnmaskNet, batch: MixtureBatch, config: TrainConfig) -> Tensor:
        logits = self.logits(net, batch, config)
        loss = sign_loss(logits, batch)
        if self.gan:
            critic, optimiser = self.extra["critic"], self.extra["critic_optimiser"]
            assert isinstance(critic, Critic) and isinstance(optimiser, torch.optim.AdamW)
            magnitude = batch.mixture.abs()
            optimiser.zero_grad()
            critic_loss(critic, logits, batch).backward()
            optimiser.step()
            loss = loss - self.gan * critic(magnitude, soft_mixture(logits, magnitude)).mean()
        return loss

    def validate(self, net: UnmaskNet, config: TrainConfig) -> dict[str, float]:
        if not self._held:
            rng = np.random.default_rng([config.seed, 1])
            self._held = [self.held_out.draw(rng, 64).to(config.device) for _ in range(max(1, config.validation // 64))]
        logits = torch.cat([self.logits(net, b, config) for b in self._held])
        whole = MixtureBatch.join(self._held)
        return {"loss": float(sign_loss(logits, whole)), **asdict(sign_share(logits, whole))}

    def describe(self, figures: Mapping[str, float]) -> str:
        return (
            f"signs right (weighted by |m|) {figures['best']:.3f} up to global sign, {figures['guessed']:.3f} with it, "
            f"{figures['known']:.3f} with a part known"
        )
