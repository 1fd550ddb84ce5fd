"""`ihaudit train unmask`: data, training, measurement, weights with their card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ihaudit.metrics.ssim import ssim
from ihaudit.nn.losses import Critic, SignShare, critic_loss, sign_loss, sign_share, soft_mixture
from ihaudit.nn.mixtures import Batch, MixtureConfig, Mixtures
from ihaudit.nn.sources import Split, load_split
from ihaudit.nn.training import Job, Stateful, TrainConfig, autocast, train
from ihaudit.nn.unmask import Recolour, RecolourConfig
from ihaudit.nn.weights import save_unmask

#: Mixtures in a held-out measurement.
_MEASURED = 512

DEFAULTS = TrainConfig(steps=6500, every=250)


class UnmaskTask:
    """The mask recovery network on mixtures (see `ihaudit.nn.training.Task`).

    Args:
        gan: weight of the adversarial loss (Carlini et al.'s way), 0 for none.
        start: a state to begin from.
    """

    def __init__(
        self,
        training: Mixtures,
        held_out: Mixtures,
        shape: RecolourConfig | None = None,
        *,
        gan: float = 0.0,
        start: dict[str, Tensor] | None = None,
    ) -> None:
        self.training, self.held_out, self.gan, self.start = training, held_out, gan, start
        self.shape = shape or RecolourConfig()
        self.network = self.shape.as_dict()
        self.extra: dict[str, Stateful] = {}
        self._held: list[Batch] = []

    def build(self) -> nn.Module:
        """See `Task`."""
        net = Recolour(self.shape)
        if self.start is not None:
            net.load_state_dict(self.start)
        return net

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> Batch:
        """See `Task`."""
        return on_device(self.training.draw(rng, config.batch), config.device)

    def logits(self, net: nn.Module, batch: Batch, config: TrainConfig) -> Tensor:
        """Sign logits (B, C, H, W)."""
        with autocast(config):
            magnitude = batch.mixture.abs().contiguous(memory_format=torch.channels_last)
            return net(magnitude, batch.known.contiguous(memory_format=torch.channels_last)).float()

    def loss(self, net: nn.Module, batch: Batch, config: TrainConfig) -> Tensor:
        """See `Task`."""
        logits = self.logits(net, batch, config)
        loss = sign_loss(logits, batch)
        if self.gan:
            critic, optimiser = self._critic(config)
            magnitude = batch.mixture.abs()
            optimiser.zero_grad()
            critic_loss(critic, logits, batch).backward()
            optimiser.step()
            loss = loss - self.gan * critic(magnitude, soft_mixture(logits, magnitude)).mean()
        return loss

    def prepare_critic(self, config: TrainConfig) -> None:
        """Makes the critic before a checkpoint is restored into it."""
        generator_state = torch.get_rng_state()
        torch.manual_seed(config.seed + 1)
        critic = Critic().to(config.device)
        torch.set_rng_state(generator_state)
        self.extra = {
            "critic": critic,
            "critic_optimiser": torch.optim.AdamW(critic.parameters(), config.rate, betas=(0.5, 0.99)),
        }

    def _critic(self, config: TrainConfig) -> tuple[Critic, torch.optim.AdamW]:
        if not self.extra:
            self.prepare_critic(config)
        critic, optimiser = self.extra["critic"], self.extra["critic_optimiser"]
        assert isinstance(critic, Critic) and isinstance(optimiser, torch.optim.AdamW)
        return critic, optimiser

    def validate(self, net: nn.Module, config: TrainConfig) -> dict[str, float]:
        """See `Task`."""
        if not self._held:
            rng = np.random.default_rng([config.seed, 1])
            self._held = [
                on_device(self.held_out.draw(rng, 64), config.device) for _ in range(max(1, config.validation // 64))
            ]
        logits = torch.cat([self.logits(net, b, config) for b in self._held])
        whole = Batch(*(torch.cat([getattr(b, f) for b in self._held]) for f in ("mixture", "known", "blind")))
        return {"loss": float(sign_loss(logits, whole)), **asdict(sign_share(logits, whole))}

    def words(self, figures: Mapping[str, float]) -> str:
        """See `Task`."""
        return (
            f"signs right (weighted by |m|) {figures['best']:.3f} up to global sign, {figures['guessed']:.3f} with it, "
            f"{figures['known']:.3f} with a part known"
        )


def on_device(batch: Batch, device: str) -> Batch:
    """The same on a device."""
    return Batch(batch.mixture.to(device), batch.known.to(device), batch.blind.to(device))


def train_unmask(job: Job) -> dict[str, Any]:
    """Train the mask recovery network, measure it on held-out photographs, write weights and card.

    Options: ``gan``, the weight of an adversarial loss.

    Returns:
        The facts on the card.

    Raises:
        ImageError: training images are missing.
    """
    config = job.start(DEFAULTS, "gan")
    gan = float(job.options.get("gan", 0.0))
    split, mixing = load_split(job.data), MixtureConfig()
    job.log(
        f"training on {len(split.train_private)} private-like and {len(split.train_public)} public-like images; "
        f"{len(split.held_cifar)} and {len(split.held_patches)} held out"
    )
    task = UnmaskTask(
        Mixtures(split.train_private, split.train_public, mixing),
        Mixtures(split.held_cifar, split.held_patches, mixing),
        gan=gan,
    )
    if gan:
        task.prepare_critic(config)
    net, record = train(task, config, job.checkpoint_path, job.log)
    assert isinstance(net, Recolour)
    facts = {
        "trained_on": "cifar10_train20k (first 10,000), cifar100_train5k, imagenet_patches (4,295 patches, of "
        "photographs none of which is held out); the split is ihaudit.nn.sources.load_split",
        **job.facts(config, record),
        "gan": gan,
        "mixtures": asdict(mixing),
        "held_out": held_out_figures(net, split, config.device),
    }
    save_unmask(net, job.out, facts)
    return facts


def held_out_figures(net: Recolour, split: Split, device: str = "cpu") -> dict[str, dict[str, float]]:
    """Sign bits right and SSIM of recoloured mixtures, k = 4, on images that were never trained on.

    Returns:
        {"cifar": ..., "photographs": ...} by what the public images are (the first image of each mixture is CIFAR):
        ``signs`` (share right, weighted by |m|, up to the global sign), ``signs_with_global``, ``signs_part_known``,
        and ``ssim`` (pinned) of the recoloured mixture.
    """
    out, half = {}, len(split.held_cifar) // 2
    for name, pool in (("cifar", split.held_cifar), ("photographs", split.held_patches)):
        config = replace(MixtureConfig(), k=(4, 4), loose=0.0, private_share=0.0, shift=0.0)
        sampler = Mixtures(split.held_cifar[half:], pool[:half], config)
        batch = sampler.draw(np.random.default_rng(11), _MEASURED)
        logits = _logits(net, batch, device)
        share: SignShare = sign_share(logits, batch)
        recoloured = batch.mixture.abs() * torch.where(logits > 0, 1.0, -1.0)
        shown, true = (((x + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1).numpy() for x in (recoloured, batch.mixture))
        blind = batch.blind.numpy()
        out[name] = {
            "signs": round(share.best, 4),
            "signs_with_global": round(share.guessed, 4),
            "signs_part_known": round(share.known, 4),
            "ssim": round(float(ssim(shown[blind], true[blind]).mean()), 4),
        }
    return out


@torch.inference_mode()
def _logits(net: Recolour, batch: Batch, device: str) -> torch.Tensor:
    parts = [
        net(m.abs().to(device), k.to(device)).cpu() for m, k in zip(batch.mixture.split(128), batch.known.split(128))
    ]
    return torch.cat(parts)
