"""`ihaudit train unmix`: mask recovery where the private part of a mixture is known from an attack's reconstructions.

The network of `unmask`, trained further on what the attack `unmix` meets: releases of two or more private and several
public images, and a known part that is the *prediction* of the private images, with the errors of reconstructions (a
faint average of other photographs, sometimes an image that does not belong there).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.contracts.trainer import Job, trainer
from ihaudit.nn.fitting import TrainConfig, train
from ihaudit.nn.mixtures import MixtureBatch, MixtureConfig, Mixtures, Uints
from ihaudit.nn.shipped import load_unmask
from ihaudit.nn.sources import TRAINED_ON, load_split
from ihaudit.nn.tasks.unmask import UnmaskTask
from ihaudit.training import start, write
from ihaudit.training.unmask import held_out_figures

#: the rate is lower than that of `unmask`, from whose weights this training starts
DEFAULTS = TrainConfig(steps=5000, every=250, rate=6e-4, cool_down=0.7)


@dataclass(frozen=True)
class PredictedConfig:
    """What releases and predictions look like.

    Attributes:
        mixtures: coefficients and pools; `private_share` is the share of releases made of private images alone, and
            `nothing_known` and `shift` mean what they mean there.
        private: chances that a mixture holds 1, 2 or 3 private images.
        error: smallest and largest RMS of a reconstruction's error on [-1, 1]; its logarithm is uniform.
        fields: photographs that are averaged to an error, which so gets their spectrum.
        misplaced: chance that a predicted image does not belong to the mixture.
        missing: chance that a predicted image is left out.
    """

    mixtures: MixtureConfig = field(
        default_factory=lambda: MixtureConfig(k=(3, 10), private_share=0.2, nothing_known=0.45)
    )
    private: tuple[float, float, float] = (0.15, 0.75, 0.1)
    error: tuple[float, float] = (0.02, 0.35)
    fields: int = 4
    misplaced: float = 0.08
    missing: float = 0.05


@dataclass(frozen=True, eq=False)
class Looks:
    """How images look that are mixed: `gain` * image on [-1, 1] + `offset`, each float32 (n, 2, channels), of the
    private and of the public images of each of n mixtures."""

    gain: Tensor
    offset: Tensor

    @classmethod
    def plain(cls, size: int) -> Looks:
        """As they are, on [-1, 1]."""
        return cls(torch.ones(size, 2, 3), torch.zeros(size, 2, 3))

    def __call__(self, images: Tensor, private: NDArray[np.bool_]) -> Tensor:
        """Images (n, k, C, H, W), of which `private` (n, k) are private, as they look."""
        kind = torch.from_numpy(~private).long()
        row = torch.arange(len(images))[:, None]
        return images * self.gain[row, kind][..., None, None] + self.offset[row, kind][..., None, None]


class Predicted(Mixtures):
    """A sampler of mixtures and predictions; every batch is a function of the generator alone."""

    def __init__(self, private: Uints, public: Uints, config: PredictedConfig) -> None:
        """`private` and `public`: uint8 (N, H, W, 3)."""
        super().__init__(private, public, config.mixtures)
        self.predicted = config
        self.mean = float(self.pool.mean() / 127.5 - 1)

    def looks(self, rng: np.random.Generator, size: int) -> Looks:
        """How the images of each of `size` mixtures look; here as they are."""
        return Looks.plain(size)

    def shown(self, rng: np.random.Generator, private: NDArray[np.bool_], looks: Looks) -> Tensor:
        """Random images float32 (*private.shape, C, H, W) of either pool, as they look in their mixtures."""
        return looks(self.images(rng, private), private)

    def draw(self, rng: np.random.Generator, size: int) -> MixtureBatch:
        """One batch of `size` mixtures."""
        c = self.predicted
        weights = self.coefficients(rng, size)
        high = weights.shape[1]
        slots = len(c.private)
        held = 1 + rng.choice(slots, size, p=c.private)
        private = (np.arange(high)[None] < held[:, None]) | (rng.random((size, 1)) < c.mixtures.private_share)
        looks = self.looks(rng, size)
        x = self.shown(rng, private, looks)
        mixture = torch.einsum("bk,bkchw->bchw", torch.from_numpy(weights), x)
        # reconstructions of the private images, with errors of photographs' spectrum
        error = self.images(rng, np.zeros((size, slots * c.fields), bool)).view(size, slots, c.fields, *x.shape[2:])
        mixed = torch.from_numpy(rng.standard_normal((size, slots, c.fields, 1, 1, 1)).astype(np.float32))
        error = (error * mixed).sum(2)
        error = error / error.square().mean((2, 3, 4), keepdim=True).sqrt().clamp_min(1e-3)
        least, most = np.log(c.error)
        rms = np.exp(rng.uniform(least, most, size))[:, None, None, None, None].astype(np.float32)
        shown = x[:, :slots].clone()
        wrong = torch.from_numpy(rng.random((size, slots)) < c.misplaced)
        strange = self.shown(rng, np.ones((size, slots), bool), looks)
        shown[wrong] = strange[wrong]
        shown = shown + torch.from_numpy(rms) * looks.gain[:, 0, None, :, None, None] * error
        used = (np.arange(slots)[None] < held[:, None]) & (rng.random((size, slots)) >= c.missing)
        guess = weights[:, :slots] * used * (1 + 0.02 * rng.standard_normal((size, slots)))
        part = torch.einsum("bk,bkchw->bchw", torch.from_numpy(guess.astype(np.float32)), shown)
        rest = 1 - (weights * (np.arange(high)[None] < held[:, None])).sum(1)
        public = self.mean * looks.gain[:, 1] + looks.offset[:, 1]
        part += torch.from_numpy(rest.astype(np.float32))[:, None, None, None] * public[:, :, None, None]
        blind = rng.random(size) < c.mixtures.nothing_known
        part[torch.from_numpy(blind)] = 0
        return MixtureBatch(mixture, part, torch.from_numpy(blind))


@trainer("unmix", "recovers sign masks, given reconstructions; attack unmix")
def train_unmix(job: Job) -> dict[str, Any]:
    """Train the network of the attack `unmix`, measure it on held-out photographs, write weights and card.

    Raises:
        ImageError: training images are missing.
        NotApplicable: the weights of `unmask`, from which it starts, are not shipped.
    """
    config = start(job, DEFAULTS)
    split, how, shipped = load_split(job.data), PredictedConfig(), load_unmask()
    half = len(split.held_cifar) // 2
    task = UnmaskTask(
        Predicted(split.train_private, split.train_public, how),
        Predicted(split.held_cifar[:half], split.held_patches[: len(split.held_patches) // 2], how),
        shipped.config,
        start=shipped.state_dict(),
    )
    net, record = train(task, config, job.checkpoint_path, job.log)
    card = {
        "trained_on": TRAINED_ON,
        "start": "the shipped weights of unmask",
        "predictions": asdict(how),
        "held_out": held_out_figures(net, split, config.device),
    }
    return write(job, net, task.network, config, record, card)
