"""`ihaudit train unmix_deployed`: mask recovery where images were normalised by mean and deviation, or cropped.

The network of `unmix`, trained further on what training code does to images before it mixes them.  Images that are
normalised by the mean of their data set are as often bright as dark in every channel: nothing in the colours of a
mixture then tells its global sign, and only the arrangement of its contents is left.  Crops of padded images have
black borders.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.contracts.trainer import Job, trainer
from ihaudit.nn.fitting import TrainConfig, train
from ihaudit.nn.mixtures import PAD
from ihaudit.nn.shipped import load_unmix
from ihaudit.nn.sources import TRAINED_ON, load_split
from ihaudit.nn.tasks.unmask import UnmaskTask, sign_share
from ihaudit.nn.unmask import UnmaskNet
from ihaudit.training import start, write
from ihaudit.training.unmask import held_out_figures
from ihaudit.training.unmix import Looks, Predicted, PredictedConfig

#: mixtures in a measurement, and at a time
MEASURED, _BATCH = 512, 128

DEFAULTS = TrainConfig(steps=4000, every=250, rate=6e-4, cool_down=0.7)

#: means and deviations that training code normalises by: of CIFAR-10 for private and of ImageNet for public images
KNOWN_MEAN = ((0.4914, 0.4822, 0.4465), (0.485, 0.456, 0.406))
KNOWN_DEVIATION = ((0.2023, 0.1994, 0.2010), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class DeployedConfig:
    """What is done to images before they are mixed.

    Attributes:
        plain: share of mixtures of images on [-1, 1].
        known: share of those normalised by `KNOWN_MEAN` and `KNOWN_DEVIATION`; others by drawn ones near them.
        one: chance that public images are normalised as the private ones where both are drawn.
        mean, colour: deviation of a drawn mean's brightness and of its channels; deviation: range of drawn deviations.
        cropped: share of mixtures whose private images are cropped from themselves, padded by `PAD` black pixels.
    """

    plain: float = 0.25
    known: float = 0.5
    one: float = 0.5
    mean: float = 0.05
    colour: float = 0.02
    deviation: tuple[float, float] = (0.18, 0.32)
    cropped: float = 0.6
    predictions: PredictedConfig = field(default_factory=PredictedConfig)


class Deployed(Predicted):
    """A sampler of mixtures of normalised, cropped images; every batch is a function of the generator alone."""

    def __init__(self, private: NDArray[np.uint8], public: NDArray[np.uint8], config: DeployedConfig) -> None:
        """`private` and `public`: uint8 (N, H, W, 3)."""
        super().__init__(private, public, config.predictions)
        self.deployed = config

    def looks(self, rng: np.random.Generator, size: int) -> Looks:
        """See `DeployedConfig`."""
        c = self.deployed
        mean = KNOWN_MEAN + c.mean * rng.standard_normal((size, 2, 1)) + c.colour * rng.standard_normal((size, 2, 3))
        deviation = rng.uniform(*c.deviation, (size, 2, 1)) + 0.01 * rng.standard_normal((size, 2, 3))
        together = rng.random(size) < c.one
        mean[together, 1], deviation[together, 1] = mean[together, 0], deviation[together, 0]
        known = rng.random(size) < c.known
        mean[known], deviation[known] = KNOWN_MEAN, KNOWN_DEVIATION
        plain = rng.random(size) < c.plain
        mean[plain], deviation[plain] = 0.5, 0.5
        cropped = rng.random(size) < c.cropped
        gain = torch.from_numpy((0.5 / deviation).astype(np.float32))
        return Cropped(gain, torch.from_numpy(((0.5 - mean) / deviation).astype(np.float32)), cropped)

    def shown(self, rng: np.random.Generator, private: NDArray[np.bool_], looks: Looks) -> Tensor:
        """See `Predicted.shown`."""
        x = self.images(rng, private)
        if isinstance(looks, Cropped):
            _blacken(x, private & looks.cropped[:, None], rng)
        return looks(x, private)


@dataclass(frozen=True, eq=False)
class Cropped(Looks):
    """`Looks`, and in which mixtures private images are `cropped`, bool (n,)."""

    cropped: NDArray[np.bool_]


def _blacken(x: Tensor, which: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Puts the black borders of a random crop on some of the images (n, k, C, H, W) on [-1, 1]."""
    _, _, _, height, width = x.shape
    down, right = rng.integers(-PAD, PAD + 1, (2, *which.shape, 1))
    rows = np.arange(height) + down
    columns = np.arange(width) + right
    outside = ((rows < 0) | (rows >= height))[..., :, None] | ((columns < 0) | (columns >= width))[..., None, :]
    outside &= which[..., None, None]
    x.masked_fill_(torch.from_numpy(outside)[:, :, None], -1.0)


def deployed_figures(net: UnmaskNet, sampler: Deployed, device: str) -> dict[str, float]:
    """Shares of sign bits right, as `held_out_figures`, of mixtures as `sampler` makes them."""
    batch = sampler.draw(np.random.default_rng(12), MEASURED)
    with torch.inference_mode():
        parts = zip(batch.mixture.split(_BATCH), batch.known.split(_BATCH), strict=True)
        logits = torch.cat([net(m.abs().to(device), k.to(device)).cpu() for m, k in parts])
    share = sign_share(logits, batch)
    return {
        "signs": round(share.best, 4),
        "signs_with_global": round(share.guessed, 4),
        "signs_part_known": round(share.known, 4),
    }


@trainer("unmix_deployed", "the same where images were normalised or moved; attack unmix")
def train_unmix_deployed(job: Job) -> dict[str, Any]:
    """Train the network of the attack `unmix` for normalised and cropped images, measure it, write weights and card.

    Raises:
        ImageError: training images are missing.
        NotApplicable: the weights of `unmix`, from which it starts, are not shipped.
    """
    config = start(job, DEFAULTS)
    split, how, shipped = load_split(job.data), DeployedConfig(), load_unmix()
    half, patches = len(split.held_cifar) // 2, len(split.held_patches) // 2
    task = UnmaskTask(
        Deployed(split.train_private, split.train_public, how),
        Deployed(split.held_cifar[:half], split.held_patches[:patches], how),
        shipped.config,
        start=shipped.state_dict(),
    )
    net, record = train(task, config, job.checkpoint_path, job.log)
    # mixtures of the reference kind, all of them normalised and cropped
    mixtures = replace(how.predictions.mixtures, k=(6, 6), loose=0.0, private_share=0.0)
    predictions = replace(how.predictions, mixtures=mixtures, private=(0.0, 1.0, 0.0))
    normalised = replace(how, plain=0.0, known=1.0, cropped=1.0, predictions=predictions)
    sampler = Deployed(split.held_cifar[half:], split.held_patches[patches:], normalised)
    card = {
        "trained_on": TRAINED_ON,
        "start": "the shipped weights of unmix",
        "deployed": asdict(how),
        "held_out": held_out_figures(net, split, config.device)
        | {
            "deployed": deployed_figures(net, sampler, config.device),
            "deployed_before": deployed_figures(shipped.to(config.device), sampler, config.device),
        },
    }
    return write(job, net, task.network, config, record, card)
