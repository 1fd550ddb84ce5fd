"""`ihaudit train scales`: mixtures of photographs, and how strong each of their coefficients is given the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ihaudit.contracts.trainer import Job, trainer
from ihaudit.nn.fitting import Task, TrainConfig, train
from ihaudit.nn.mixtures import Uints, coefficients
from ihaudit.nn.scales import KINDS, Scales, ScalesConfig, colours, context, pyramid
from ihaudit.nn.sources import TRAINED_ON, load_split
from ihaudit.training import start, write

DEFAULTS = TrainConfig(steps=1500, every=250, batch=128, rate=5e-3, cool_down=0.6, bf16=False)
#: how many public images a mixture holds, and how often: k = 6 leaves four, and what recurs is taken out of them
COUNTS, CHANCES = (1, 2, 3, 4, 5, 6, 8), (0.08, 0.16, 0.2, 0.26, 0.12, 0.1, 0.08)
CENTRE, HELD_OUT = 4000, 1024  # mixtures from which means and spreads of features are taken; of a validation
_GREY = 0.1  # of pictures, so that the networks have met some without colour
_LEAST = 2e-3  # added to relative energies: what is flat is not trusted without bounds


class PyramidMixtures:
    """Photographs uint8 (N, 32, 32, 3) to mix, less `mean` float32 (3, 32, 32) on [-1, 1]."""

    def __init__(self, images: Uints, mean: Tensor | None = None) -> None:
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        self.mean = self.images.float().mean(0) / 127.5 - 1 if mean is None else mean

    def draw(self, rng: np.random.Generator, n: int, kind: str, grey: float = _GREY) -> list[Tensor]:
        """The pyramid of `n` mixtures whose weights sum to one, of single images for the kind ``single``; a share of
        `grey` without colour."""
        x = torch.zeros(n, *self.images.shape[1:])
        counts = rng.choice(COUNTS, n, p=CHANCES) if kind == "mixture" else np.ones(n, np.int64)
        weight = coefficients(rng, np.arange(counts.max())[None] < counts[:, None])
        for j in range(weight.shape[1]):
            rows = torch.from_numpy(np.flatnonzero(counts > j))
            chosen = self.images[torch.from_numpy(rng.integers(0, len(self.images), len(rows)))].float() / 127.5 - 1
            x[rows] += torch.from_numpy(weight[:, j])[rows, None, None, None] * (chosen - self.mean)
        for flip, axis in ((0.5, 3), (0.2, 2)):
            rows = torch.from_numpy(rng.random(n) < flip)
            x[rows] = x[rows].flip(axis)
        rows = torch.from_numpy(rng.random(n) < grey)
        x[rows] = x[rows].mean(1, keepdim=True).expand(-1, 3, -1, -1)
        return pyramid(torch.einsum("nchw,dc->ndhw", x, colours()), ScalesConfig().levels)


def settle(net: Scales, pool: PyramidMixtures, rng: np.random.Generator) -> None:
    """Set population energies, and means and spreads of features, from mixtures of the pool."""
    for kind in KINDS:
        energies = [p**2 for p in pool.draw(rng, CENTRE, kind)]
        nets = [net.level(kind, k) for k in range(len(energies))]
        for level, e in zip(nets, energies):
            level.log_energy.copy_(e.mean((0, 3, 4)).reshape(-1).clamp_min(1e-9).log())
        relative = net.relative(energies, kind)
        for k, level in enumerate(nets):
            x = context(relative, k).flatten(2)
            level.mean.copy_(x.mean(2)[:, None])
            level.spread.copy_(x.std(2)[:, None].clamp_min(1e-2))


class ScalesTask(Task[Scales, dict[str, list[Tensor]]]):
    """All levels on mixtures and single images; the loss is the Gaussian negative log likelihood with the predicted
    variance."""

    def __init__(self, training: PyramidMixtures, held_out: PyramidMixtures, seed: int) -> None:
        self.training, self.seed = training, seed
        super().__init__(ScalesConfig().as_dict())
        rng = np.random.default_rng([seed, 6])
        self.held_out = {k: held_out.draw(rng, HELD_OUT, k) for k in KINDS}

    def build(self) -> Scales:
        net = Scales()
        settle(net, self.training, np.random.default_rng([self.seed, 5]))
        return net

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> dict[str, list[Tensor]]:
        """Pyramids by kind."""
        return {k: [p.to(config.device) for p in self.training.draw(rng, config.batch, k)] for k in KINDS}

    def loss(self, net: Scales, batch: dict[str, list[Tensor]], config: TrainConfig) -> Tensor:
        """Mean over kinds, levels and bands."""
        total = torch.zeros((), device=batch[KINDS[0]][0].device)
        for kind, parts in batch.items():
            relative = net.relative([p**2 for p in parts], kind)
            for level, e in enumerate(relative):
                log = net(relative, kind, level)
                total = total + (log + (e + _LEAST) * (-log).exp()).mean()
        return total / (len(batch) * (net.config.levels + 1))

    @torch.no_grad()
    def validate(self, net: Scales, config: TrainConfig) -> dict[str, float]:
        batch = {k: [p.to(config.device) for p in v] for k, v in self.held_out.items()}
        worth = information(net, batch["mixture"], "mixture")
        return {
            "loss": float(self.loss(net, batch, config)),
            "fine": worth["level 0, brightness"],
            "coarse": worth[f"level {net.config.levels - 1}, brightness"],
        }

    def describe(self, figures: Mapping[str, float]) -> str:
        fine, coarse = figures["fine"], figures["coarse"]
        return f"information on brightness x{fine:.2f} at the finest level, x{coarse:.2f} at the coarsest"


@torch.no_grad()
def information(net: Scales, parts: list[Tensor], kind: str) -> dict[str, float]:
    """Mean of 1 / variance over 1 / mean variance, by level: how many times more one sample tells, for brightness and
    colour; variances rescaled to be right on average."""
    out = {}
    relative = net.relative([p**2 for p in parts], kind)
    for level, e in enumerate(relative):
        inverse = (-net(relative, kind, level)).exp()
        for name, which in (("brightness", slice(2, 3)), ("colour", slice(0, 2))):
            right, i = e[:, which], inverse[:, which]
            out[f"level {level}, {name}"] = round(float(i.mean() / (right * i).mean() * right.mean()), 3)
    return out


@trainer("scales", "predicts how strong public images are, place by place; attacks prng, unmix")
def train_scales(job: Job) -> dict[str, Any]:
    """Mix photographs, train on their pyramids, measure on photographs held out, write weights and card.

    Raises:
        ImageError: training images are missing.
    """
    config = start(job, DEFAULTS)
    split = load_split(job.data)
    training = PyramidMixtures(np.concatenate([split.train_public, split.train_private]))
    half = len(split.held_patches) // 2
    task = ScalesTask(training, PyramidMixtures(split.held_patches[:half], training.mean), config.seed)
    net, record = train(task, config, job.checkpoint_path, job.log)
    second = PyramidMixtures(split.held_patches[half:], training.mean)
    rng = np.random.default_rng([config.seed, 7])
    card = {
        "trained_on": f"mixtures of {TRAINED_ON}",
        "held_out": {k: information(net.cpu(), second.draw(rng, 2 * HELD_OUT, k, grey=0), k) for k in KINDS},
    }
    return write(job, net, task.network, config, record, card)
