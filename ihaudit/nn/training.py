"""Training shared by all networks: seeded, resumable, averaged weights, early stopping on held-out photographs."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ihaudit.errors import UsageError

Log = Callable[[str], None]


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


@dataclass(frozen=True)
class Job:
    """What `ihaudit train NAME` hands to the trainer of that network.

    Attributes:
        data: folder of the training images; out: the weight file to write (its card goes beside it).
        overrides: fields of `TrainConfig` that the user set; the trainer's own defaults hold for the others.
        checkpoint: file to write and to go on from; beside `out` where None.
        threads: CPU threads, 0 for torch's default.
        options: what only some networks take (``gan``, ``network``).
    """

    data: Path
    out: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Path | None = None
    threads: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    log: Log = print

    def start(self, defaults: TrainConfig, *known: str) -> TrainConfig:
        """The configuration, threads set; raises `UsageError` for options that are not among `known`."""
        for name in self.options:
            if name not in known:
                raise UsageError(f"this network has no option --{name}; it takes {', '.join(known) or 'none'}")
        if self.threads:
            torch.set_num_threads(self.threads)
        return replace(defaults, **self.overrides)

    @property
    def checkpoint_path(self) -> Path:
        """Where the checkpoint lies."""
        return self.checkpoint or self.out.with_suffix(".checkpoint.pt")

    def command(self, arguments: Sequence[str]) -> str:
        """The command line as others may repeat it: `$IHAUDIT_DATA` for the data folder, bare names for other paths."""
        shown = [
            "$IHAUDIT_DATA" if a in (str(self.data), f"{self.data}/") else Path(a).name if a.startswith("/") else a
            for a in arguments
        ]
        return " ".join(["ihaudit", *shown])

    def facts(self, config: TrainConfig, record: Mapping[str, Any]) -> dict[str, Any]:
        """What every card says of a training: command, configuration, steps, seconds."""
        return {
            "command": self.command(sys.argv[1:]),
            "training": asdict(config),
            "steps": record["steps"],
            "seconds": record["seconds"],
            "threads": torch.get_num_threads(),
        }


class Stateful(Protocol):
    """Anything that a checkpoint must hold besides the network and its optimiser (a critic, its optimiser)."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Any) -> Any: ...


class Task(Protocol):
    """What is trained, on what, and how it is judged.

    Attributes:
        network: JSON-able description of the network's shape; a checkpoint of another one is refused.
        extra: further state that belongs in a checkpoint.
    """

    network: dict[str, Any]
    extra: dict[str, Stateful]

    def build(self) -> nn.Module:
        """A fresh network on the CPU; called right after seeding torch."""

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> Any:
        """One training batch on `config.device`, a function of `rng` alone."""

    def loss(self, net: nn.Module, batch: Any, config: TrainConfig) -> Tensor:
        """Scalar loss of one batch; may update `extra`."""

    def validate(self, net: nn.Module, config: TrainConfig) -> dict[str, float]:
        """Figures on held-out samples, the same every time; the key ``loss`` decides what is best."""

    def words(self, figures: Mapping[str, float]) -> str:
        """The figures besides the losses, for the log."""


def rate_at(step: int, config: TrainConfig) -> float:
    """Linear warm-up, constant, linear cool-down: a longer run can take over a shorter one's start."""
    up, down = max(1, config.warm_up * config.steps), max(1, config.cool_down * config.steps)
    return config.rate * min(1.0, (step + 1) / up, max(0.0, (config.steps - step) / down))


def bf16_is_fast() -> bool:
    """Does this processor multiply bfloat16 in hardware?  Without, mixed precision is several times slower."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and "avx512_bf16" in _cpu_flags()


def _cpu_flags() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")[:8000]
    except OSError:
        return ""


def autocast(config: TrainConfig) -> AbstractContextManager[Any]:
    """bf16 where the configuration says so."""
    return torch.autocast(config.device.split(":")[0], torch.bfloat16, enabled=config.bf16)


class _Run:
    """The state of one training run."""

    def __init__(self, task: Task, config: TrainConfig) -> None:
        torch.manual_seed(config.seed)  # initial weights only; batches have generators of their own
        self.task, self.config = task, config
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

    def update(self, batch: Any) -> float:
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
    task: Task,
    config: TrainConfig,
    checkpoint: Path | None,
    log: Log,
    report: Callable[[int], None] | None = None,
) -> tuple[nn.Module, dict[str, Any]]:
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
            f"{task.words(figures)}; {left / 60:.0f} min left"
        )
        since = len(run.history) - 1 - int(np.argmin([h["loss"] for h in run.history]))
        if since >= config.patience:
            log(f"stopped early: no better validation in {since} rounds")
            break
    run.mean.load_state_dict(best_state)
    return run.mean.eval(), {"steps": run.step, "seconds": round(run.seconds), "history": run.history}


def _save(state: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
