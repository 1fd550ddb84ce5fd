"""Training of the mask recovery network: seeded, resumable, with early stopping on held-out photographs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ihaudit.errors import UsageError
from ihaudit.nn.losses import Critic, critic_loss, sign_loss, sign_share, soft_mixture
from ihaudit.nn.mixtures import Batch, Mixtures
from ihaudit.nn.recolour import Recolour, RecolourConfig

Log = Callable[[str], None]


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Attributes:
        steps, batch, rate: optimiser steps of AdamW, mixtures per step, peak learning rate.
        warm_up, cool_down: shares of the steps in which the rate rises from and falls to zero, linearly.
        average: decay of the running average of the weights that is validated and shipped.
        every: steps between validations and checkpoints; patience: validations without a new best before stopping.
        gan: weight of the adversarial loss (Carlini et al.'s way), 0 for none.
        bf16: mixed precision, several times faster where the processor supports it.
    """

    steps: int = 12_000
    batch: int = 64
    rate: float = 1e-3
    warm_up: float = 0.02
    cool_down: float = 0.4
    weight_decay: float = 1e-2
    average: float = 0.998
    every: int = 500
    patience: int = 8
    validation: int = 512
    gan: float = 0.0
    bf16: bool = True
    seed: int = 0
    device: str = "cpu"
    network: RecolourConfig = field(default_factory=RecolourConfig)


def rate_at(step: int, config: TrainConfig) -> float:
    """Linear warm-up, constant, linear cool-down: a longer run can take over a shorter one's start."""
    up, down = max(1, config.warm_up * config.steps), max(1, config.cool_down * config.steps)
    return config.rate * min(1.0, (step + 1) / up, max(0.0, (config.steps - step) / down))


class _Run:
    """The state of one training run."""

    def __init__(self, config: TrainConfig) -> None:
        torch.manual_seed(config.seed)  # initial weights only; batches have generators of their own
        self.config = config
        self.net = Recolour(config.network).to(config.device)
        self.mean = Recolour(config.network).to(config.device)
        for net in (self.net, self.mean):
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean.load_state_dict(self.net.state_dict())
        self.critic = Critic().to(config.device)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), config.rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
        )
        self.critic_optimiser = torch.optim.AdamW(self.critic.parameters(), config.rate, betas=(0.5, 0.99))
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, Any]] = []

    def state(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "mean": self.mean.state_dict(),
            "critic": self.critic.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "critic_optimiser": self.critic_optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "network": self.config.network.as_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        if RecolourConfig(**state["network"]) != self.config.network:
            raise UsageError(f"the checkpoint holds a network of another shape ({state['network']}); use another --out")
        for name in ("net", "mean", "critic", "optimiser", "critic_optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]

    def forward(self, net: Recolour, batch: Batch) -> Tensor:
        kind = self.config.device.split(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=self.config.bf16):
            magnitude = batch.mixture.abs().contiguous(memory_format=torch.channels_last)
            return net(magnitude, batch.known.contiguous(memory_format=torch.channels_last)).float()

    def update(self, batch: Batch) -> float:
        """One optimiser step; the loss."""
        c = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, c)
        logits = self.forward(self.net, batch)
        loss = sign_loss(logits, batch)
        if c.gan:
            magnitude = batch.mixture.abs()
            self.critic_optimiser.zero_grad()
            critic_loss(self.critic, logits, batch).backward()
            self.critic_optimiser.step()
            loss = loss - c.gan * self.critic(magnitude, soft_mixture(logits, magnitude)).mean()
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        decay = min(c.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for slow, fast in zip(self.mean.parameters(), self.net.parameters()):
                slow.lerp_(fast, 1 - decay)
        self.step += 1
        return float(loss.detach())

    @torch.no_grad()
    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """Figures of the averaged network on held-out mixtures."""
        logits = torch.cat([self.forward(self.mean, b) for b in batches])
        whole = Batch(*(torch.cat([getattr(b, f) for b in batches]) for f in ("mixture", "known", "blind")))
        return {"loss": float(sign_loss(logits, whole)), **asdict(sign_share(logits, whole))}


def _to(batch: Batch, device: str) -> Batch:
    return Batch(batch.mixture.to(device), batch.known.to(device), batch.blind.to(device))


def train(
    train_mixtures: Mixtures, held_out: Mixtures, config: TrainConfig, checkpoint: Path | None, log: Log
) -> tuple[Recolour, dict[str, Any]]:
    """Train, going on from `checkpoint` where that file exists and writing it at every validation.

    Returns:
        The network with the averaged weights of the best validation, and a JSON-able record (steps, seconds, history).

    Raises:
        UsageError: the checkpoint is of another network.
    """
    run = _Run(config)
    best_path = checkpoint.with_suffix(".best.pt") if checkpoint else None
    if checkpoint and checkpoint.exists():
        run.restore(torch.load(checkpoint, map_location=config.device, weights_only=True))
        log(f"going on from step {run.step} of {config.steps}")
    rng = np.random.default_rng([config.seed, 1])
    held = [_to(held_out.draw(rng, 64), config.device) for _ in range(max(1, config.validation // 64))]
    best_state = {k: v.clone() for k, v in run.mean.state_dict().items()}
    if best_path and best_path.exists() and run.step:
        best_state = torch.load(best_path, map_location=config.device, weights_only=True)
    began, losses = time.monotonic(), []
    before = run.seconds
    while run.step < config.steps:
        # Every batch has a generator of its own, so that a resumed run sees what an unbroken one would have seen.
        batch = train_mixtures.draw(np.random.default_rng([config.seed, 2, run.step]), config.batch)
        losses.append(run.update(_to(batch, config.device)))
        if not math.isfinite(losses[-1]):
            raise UsageError(f"training diverged at step {run.step}; lower --rate (now {config.rate:g})")
        if run.step % config.every and run.step < config.steps:
            continue
        run.seconds = before + time.monotonic() - began
        figures = {"step": run.step, "train_loss": float(np.mean(losses)), **run.validate(held)}
        losses = []
        run.history.append(figures)
        if figures["loss"] <= min(h["loss"] for h in run.history):
            best_state = {k: v.clone() for k, v in run.mean.state_dict().items()}
            if best_path:
                _save(best_state, best_path)
        if checkpoint:
            _save(run.state(), checkpoint)
        left = (config.steps - run.step) * run.seconds / run.step
        log(
            f"step {run.step}/{config.steps}: loss {figures['train_loss']:.4f}, held out {figures['loss']:.4f}; "
            f"signs right (weighted by |m|) {figures['best']:.3f} up to global sign, {figures['guessed']:.3f} with it, "
            f"{figures['known']:.3f} with a part known; {left / 60:.0f} min left"
        )
        since = len(run.history) - 1 - int(np.argmin([h["loss"] for h in run.history]))
        if since >= config.patience:
            log(f"stopped early: no better validation in {since} rounds")
            break
    run.mean.load_state_dict(best_state)
    record = {"steps": run.step, "seconds": round(run.seconds), "history": run.history}
    return run.mean.eval(), record


def _save(state: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
