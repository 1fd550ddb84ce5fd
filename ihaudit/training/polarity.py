"""`ihaudit train polarity`: mixtures of photographs and their negatives, as an attack finds them in encodings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ihaudit.contracts.trainer import Job, trainer
from ihaudit.nn.fitting import Task, TrainConfig, learning_curve, train
from ihaudit.nn.mixtures import Uints
from ihaudit.nn.polarity import Polarity
from ihaudit.nn.sources import TRAINED_ON, load_split
from ihaudit.training import start, write

DEFAULTS = TrainConfig(steps=3500, every=250, batch=96, rate=1e-3, warm_up=0.06, weight_decay=2e-2, bf16=False)
#: mixtures of a validation, and of each measurement on the card
HELD_OUT = 2000
_ROWS = 500


@dataclass(frozen=True)
class PublicParts:
    """What attacks find in encodings of public photographs uint8 (M, H, W, 3), pools of which one is mixed at a time.

    Attributes:
        pools: the photographs; centres: their mean colours (3, 1, 1) on [-1, 1]; odds: how often each is mixed.
        count: fewest and most of them in a mixture.
        error: the most that a private image's error is beside them, of either sign, in deviations of the mixture.
        unsure: share of mixtures of which the masks were partly guessed, and the largest deviation of the private part
            that these were guessed by, in the same unit.
        shade: deviation of an error of the mean colour, in half of all mixtures.
        grey: share of mixtures without colour; coarse: of those that are crops, and as smooth as larger pictures.
    """

    pools: tuple[Tensor, ...]
    centres: tuple[Tensor, ...]
    odds: tuple[float, ...]
    count: tuple[int, int] = (1, 6)
    error: float = 0.5
    unsure: tuple[float, float] = (0.5, 2.0)
    shade: float = 0.2
    grey: float = 0.1
    coarse: float = 0.3

    @staticmethod
    def of(*pools: Uints, odds: tuple[float, ...] = (1.0,)) -> PublicParts:
        """Pools uint8 (M, H, W, 3), and how often each is mixed."""
        images = tuple(torch.from_numpy(p.transpose(0, 3, 1, 2).copy()) for p in pools)
        centres = tuple(i.float().mean((0, 2, 3))[:, None, None] / 127.5 - 1 for i in images)
        return PublicParts(images, centres, odds)

    def clean(self, rng: np.random.Generator, n: int, k: int | None = None) -> Tensor:
        """float32 (n, 3, H, W), mixtures of `k` photographs (None: of `count`) less their mean, of unit deviation."""
        low, high = self.count
        counts = rng.integers(low, high + 1, n) if k is None else np.full(n, k)
        pool = rng.choice(len(self.pools), n, p=self.odds)
        x = torch.zeros(n, *self.pools[0].shape[1:])
        for j in range(counts.max()):
            weight = np.abs(rng.standard_normal(n)) * (counts > j)
            x += torch.from_numpy(weight.astype(np.float32))[:, None, None, None] * self._photographs(rng, pool)
        return _unit(x)

    def draw(self, rng: np.random.Generator, n: int) -> Tensor:
        """The same with all that an attack may add."""
        x = self.clean(rng, n)
        pool, side = rng.choice(len(self.pools), n, p=self.odds), self._shares(rng.choice((-1.0, 1.0), n))
        # an image that may be either way up tells nothing of the mixture
        private = side * _unit(self._photographs(rng, pool) + self._shares(0.3 * rng.standard_normal(n)))
        share, most = self.unsure
        strength = self._shares(most * rng.random(n))
        sure = self._shares(np.where(rng.random(n) < share, rng.random(n), 1.0))
        whole = x + strength * private
        guessed = torch.tanh(strength * private * whole) * whole - strength * private
        x = sure * x + (1 - sure) * guessed + self._shares(self.error * rng.random(n)) * private
        shade = rng.standard_normal((n, 3, 1, 1)) * self.shade * (rng.random((n, 1, 1, 1)) < 0.5)
        x = _unit(x) + torch.from_numpy(shade.astype(np.float32))
        grey = torch.from_numpy(rng.random(n) < self.grey)
        x[grey] = x[grey].mean(1, keepdim=True)
        if rng.random() < self.coarse:
            size = int(rng.integers(x.shape[2] // 2, x.shape[2]))
            top, left = rng.integers(0, x.shape[2] - size + 1, 2)
            part = x[:, :, top : top + size, left : left + size]
            x = F.interpolate(part, x.shape[2:], mode="bilinear", align_corners=False)
        return _unit(x)

    def _photographs(self, rng: np.random.Generator, pool: NDArray[np.int64]) -> Tensor:
        """float32 (n, 3, H, W) on [-1, 1], one from each pool, mirrored or not, less the pool's mean colour."""
        x = torch.empty(len(pool), *self.pools[0].shape[1:])
        for number, (images, centre) in enumerate(zip(self.pools, self.centres)):
            rows = torch.from_numpy(np.flatnonzero(pool == number))
            chosen = torch.from_numpy(rng.integers(0, len(images), len(rows)))
            x[rows] = images[chosen].float() / 127.5 - 1 - centre
        mirrored = torch.from_numpy(rng.random(len(pool)) < 0.5)
        x[mirrored] = x[mirrored].flip(3)
        return x

    @staticmethod
    def _shares(values: NDArray[np.floating]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32))[:, None, None, None]


def _unit(x: Tensor) -> Tensor:
    return x / x.std((1, 2, 3), keepdim=True).clamp_min(1e-3)


class PolarityTask(Task[Polarity, tuple[Tensor, Tensor]]):
    """Cross-entropy of mixtures, half of them as negatives."""

    def __init__(self, training: PublicParts, held_out: PublicParts, seed: int) -> None:
        super().__init__(Polarity().config.as_dict())
        self.training = training
        self.held_out = held_out.draw(np.random.default_rng([seed, 6]), HELD_OUT)

    def build(self) -> Polarity:
        return Polarity()

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> tuple[Tensor, Tensor]:
        """Mixtures as shown, and 1 or -1 for those that are shown as negatives."""
        side = torch.from_numpy(rng.choice((-1.0, 1.0), config.batch).astype(np.float32))
        shown = self.training.draw(rng, config.batch) * side[:, None, None, None]
        return shown.to(config.device), side.to(config.device)

    def loss(self, net: Polarity, batch: tuple[Tensor, Tensor], config: TrainConfig) -> Tensor:
        """One way only: the average over both is odd, whatever the network is."""
        shown, side = batch
        return F.softplus(-side * net.one_way(shown)).mean()

    @torch.no_grad()
    def validate(self, net: Polarity, config: TrainConfig) -> dict[str, float]:
        odds = log_odds(net, self.held_out.to(config.device))
        return {"loss": float(F.softplus(-odds).mean()), "right": float((odds > 0).float().mean())}

    def describe(self, figures: Mapping[str, float]) -> str:
        return f"right for {figures['right']:.1%}"


@torch.no_grad()
def log_odds(net: Polarity, mixtures: Tensor) -> Tensor:
    """float32 (n,) of mixtures (n, 3, H, W)."""
    return torch.cat([net(part) for part in mixtures.split(_ROWS)])


@trainer("polarity", "tells mixtures of photographs from their negatives; attack unmix")
def train_polarity(job: Job) -> dict[str, Any]:
    """Mix photographs, train on them and their negatives, measure on photographs held out, write weights and card.

    Raises:
        ImageError: training images are missing.
    """
    config = start(job, DEFAULTS)
    split = load_split(job.data)
    half = len(split.held_patches) // 2
    training = PublicParts.of(split.train_private, split.train_public, odds=(0.3, 0.7))
    task = PolarityTask(training, PublicParts.of(split.held_patches[:half]), config.seed)
    net, record = train(task, config, job.checkpoint_path, job.log)
    net = net.cpu()
    pools = {"photographs": PublicParts.of(split.held_patches[half:]), "cifar10": PublicParts.of(split.held_cifar)}

    def right(mixtures: Tensor) -> float:
        return round(float((log_odds(net, mixtures) > 0).float().mean()), 4)

    held_out = {
        f"{name}, {'as found' if k is None else k}": right(
            pool.draw(rng, HELD_OUT) if k is None else pool.clean(rng, HELD_OUT, k)
        )
        for name, pool in pools.items()
        for rng in [np.random.default_rng([config.seed, 7])]
        for k in (1, 2, 4, 6, None)
    }
    card = {
        "trained_on": f"mixtures of {TRAINED_ON} and their negatives",
        "held_out": held_out,
        "learning_curve": learning_curve(record),
    }
    return write(job, net, task.network, config, record, card)
