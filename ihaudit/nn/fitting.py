"""The fitting loop of all networks: seeded, resumable, averaged weights, early stopping on held-out photographs."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ihaudit.errors import UsageError

Log = Callable[[str], None]
N = TypeVar("N", bound=nn.Module)
B = TypeVar("B")


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Attributes:
        steps, batch, rate: optimiser steps of AdamW, samples per step, peak learning rate.
        warm_up, cool_down: shares of the steps in which the rate rises from and falls to zero, linearly.
        average: decay of the running average of the weights that is validated and shipped.
        every: steps between validations and checkpoints; patience: validations without a new best before stopping.
        validation: samples in a validation.
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
    bf16: bool = True
    seed: int = 0
    device: str = "cpu"


class Stateful(Protocol):
    """Anything that a checkpoint must hold besides the network and its optimiser (a critic, its optimiser)."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Any) -> Any: ...


class Task(ABC, Generic[N, B]):
    """What is trained, on what, and how it is judged; N is the network, B one batch.

    Attributes:
        network: JSON-able description of the network's shape; a checkpoint of another one is refused.
        extra: further state that belongs in a checkpoint.
    """

    def __init__(self, network: dict[str, Any]) -> None:
        self.network = network
        self.extra: dict[str, Stateful] = {}

    @abstractmethod
    def build(self) -> N:
        """A fresh network on the CPU; called right after seeding torch."""

    def prepare(self, config: TrainConfig) -> None:
        """Fills `extra`, before a checkpoint is restored into it."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, config: TrainConfig) -> B:
        """One training batch on `config.device`, a function of `rng` alone."""

    @abstractmethod
    def loss(self, net: N, batch: B, config: TrainConfig) -> Tensor:
        """Scalar loss of one batch; may update `extra`."""

    @abstractmethod
    def validate(self, net: N, config: TrainConfig) -> dict[str, float]:
        """Figures on held-out samples, the same every time; the key ``loss`` decides what is best."""

    @abstractmethod
    def describe(self, figures: Mapping[str, float]) -> str:
        """The figures besides the losses, for the log."""


def rate_at(step: int, config: TrainConfig) -> float:
    """Linear warm-up, constant, linear cool-down: a longer run can take over a shorter one's start."""
    up, down = max(1, config.warm_up * config.steps), max(1, config.cool_down * config.steps)
    return config.rate * min(1.0, (step + 1) / up, max(0.0, (config.steps - step) / down))


def bf16_is_fast(device: str) -> bool:
    """Is mixed precision faster on this device?  CPUs that lack bfloat16 in hardware are several times slower."""
    has_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return not device.startswith("cpu") or bool(has_bf16 and has_bf16())


def autocast(config: TrainConfig) -> AbstractContextManager[Any]:
    """bf16 where the configuration says so."""
    return torch.autocast(config.device.split(":")[0], torch.bfloat16, enabled=config.bf16)


class _Run(Generic[N, B]):
    """The state of one training run."""

    def __init__(self, task: Task[N, B], config: TrainConfig) -> None:
        self.task, self.config = task, config
        task.prepare(config)
        torch.manual_seed(config.seed)  # initial weights only; batches have generators of their own
        self.net = task.build().to(config.device)
        torch.manual_seed(config.seed)
        self.mean = task.build().to(config.device)
        for net in (self.net, self.mean):
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean.load_state_dict(self.net.state_dict())
        self.mean.eval()
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), config.rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
        )
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, Any]] = []

    def state(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "extra": {k: v.state_dict() for k, v in self.task.extra.items()},
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "network": self.task.network,
        }

    def restore(self, state: dict[str, Any]) -> None:
        if state["network"] != self.task.network:
            raise UsageError(f"the checkpoint holds a network of another shape ({state['network']}); use another --out")
        for name in ("net", "mean", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        for name, extra in self.task.extra.items():
            extra.load_state_dict(state["extra"][name])
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]

    def update(self, batch: B) -> float:
        """One optimiser step; the loss."""
        c = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, c)
        self.net.train()
        loss = self.task.loss(self.net, batch, c)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        decay = min(c.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for slow, fast in zip(self.mean.parameters(), self.net.parameters()):
                slow.lerp_(fast, 1 - decay)
            for kept, new in zip(self.mean.buffers(), self.net.buffers()):  # running statistics of norms
                kept.copy_(new)
        self.step += 1
        return float(loss.detach())


def train(
    task: Task[N, B],
    config: TrainConfig,
    checkpoint: Path | None,
    log: Log,
    report: Callable[[int], None] | None = None,
) -> tuple[N, dict[str, Any]]:
    """Train, going on from `checkpoint` where that file exists and writing it at every validation.

    `report` is called with the number of finished steps after each.

    Returns:
        The network with the averaged weights of the best validation, and a JSON-able record (steps, seconds, history).

    Raises:
        UsageError: the checkpoint is of another network, or the loss is no longer finite.
    """
    run = _Run(task, config)
    best_path = checkpoint.with_suffix(".best.pt") if checkpoint else None
    if checkpoint and checkpoint.exists():
        run.restore(torch.load(checkpoint, map_location=config.device, weights_only=True))
        log(f"going on from step {run.step} of {config.steps}")
    best_state = {k: v.clone() for k, v in run.mean.state_dict().items()}
    if best_path and best_path.exists() and run.step:
        best_state = torch.load(best_path, map_location=config.device, weights_only=True)
    began, losses = time.monotonic(), []
    before = run.seconds
    while run.step < config.steps:
        # Every batch has a generator of its own, so that a resumed run sees what an unbroken one would have seen.
        batch = task.draw(np.random.default_rng([config.seed, 2, run.step]), config)
        losses.append(run.update(batch))
        if not math.isfinite(losses[-1]):
            raise UsageError(f"training diverged at step {run.step}; lower --rate (now {config.rate:g})")
        if report is not None:
            report(run.step)
        if run.step % config.every and run.step < config.steps:
            continue
        run.seconds = before + time.monotonic() - began
        with torch.no_grad():
            figures = {"step": run.step, "train_loss": float(np.mean(losses)), **task.validate(run.mean, config)}
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
            f"{task.describe(figures)}; {left / 60:.0f} min left"
        )
        since = len(run.history) - 1 - int(np.argmin([h["loss"] for h in run.history]))
        if since >= config.patience:
            log(f"stopped early: no better validation in {since} rounds")
            break
    run.mean.load_state_dict(best_state)
    return run.mean.eval(), {"steps": run.step, "seconds": round(run.seconds), "history": run.history}


def learning_curve(record: Mapping[str, Any]) -> list[dict[str, float]]:
    """The history in a record of `train`, for a card."""
    return [{k: round(float(v), 4) for k, v in h.items()} for h in record["history"]]


def _save(state: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
