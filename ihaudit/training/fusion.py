"""`ihaudit train fusion`: the fusion-denoising network of Luo et al. (AAAI 2022) on releases made from photographs."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from ihaudit.contracts.trainer import Job, trainer
from ihaudit.errors import UsageError
from ihaudit.nn.fitting import TrainConfig, learning_curve, train
from ihaudit.nn.fusion import PAPER, Fusion, FusionConfig
from ihaudit.nn.moved_releases import MoveConfig, MovedReleases
from ihaudit.nn.sources import HUNDRED, Split, load_split
from ihaudit.nn.tasks.fusion import FusionTask, SetConfig, draw_sets
from ihaudit.training import start, today, write

#: `batch` counts encodings, not images.
DEFAULTS = TrainConfig(steps=1200, batch=320, rate=1.5e-3, cool_down=0.5, average=0.99, every=100, validation=1800)
PAPER_DEFAULTS = replace(DEFAULTS, steps=40_000, batch=1920, rate=1e-4, average=0.999, every=1000)
#: Moves to train on: mostly slight ones, from which the paper's networks learn most.
MOVES = MoveConfig(eps=((0.1, 0.8), (0.2, 0.1), (0.3, 0.1)), shifted=0.1, most=2, still=0.1)
#: Sets in each held-out measurement.
MEASURED = 48
TRAINED_ON = (
    "cifar10_train20k (first 10,000) and imagenet_patches (4,295 patches, of photographs none of which is held out); "
    "the split is ihaudit.nn.sources.load_split"
)


@trainer("fusion", "makes an image of encodings that share it; attack fdn", options=("network",))
def train_fusion(job: Job) -> dict[str, Any]:
    """Train the fusion-denoising network, measure it on held-out photographs, write weights and card.

    Options: ``network``, ``small`` (the shipped size) or ``paper``.

    Raises:
        ImageError: training images are missing.
        UsageError: there is no such network.
    """
    sizes = {"small": FusionConfig(), "paper": PAPER}
    shape = chosen(job, sizes, "fusion")
    config = start(job, DEFAULTS if shape != PAPER else PAPER_DEFAULTS)
    split = load_split(job.data)
    training, held_out, measured = (MovedReleases(*pool, MOVES) for pool in pools(split))
    task = FusionTask(training, held_out, shape)
    net, record = train(task, config, job.checkpoint_path, job.log)
    card = {
        "trained_on": TRAINED_ON,
        "date": today(),
        "moves": asdict(MOVES),
        "sets": asdict(task.sets),
        "learning_curve": learning_curve(record),
        "held_out": held_out_figures(net, task, measured, config),
    }
    return write(job, net, task.network, config, record, card)


def chosen(job: Job, sizes: dict[str, Any], what: str) -> Any:
    """The network that the option ``network`` names."""
    name = str(job.options.get("network", "small"))
    if name not in sizes:
        raise UsageError(f"there is no {what} network {name!r}; there are: {', '.join(sizes)}")
    return sizes[name]


def pools(split: Split) -> list[tuple[Any, Any, Any]]:
    """Private images, their classes and public ones: to train on, to stop by, and to measure with."""
    ten = split.train_labels < HUNDRED
    half, middle = len(split.held_cifar) // 2, len(split.held_patches) // 2
    return [
        (split.train_private[ten], split.train_labels[ten], split.train_public),
        (split.held_cifar[:half], split.held_labels[:half], split.held_patches[:middle]),
        (split.held_cifar[half:], split.held_labels[half:], split.held_patches[middle:]),
    ]


def held_out_figures(
    net: Fusion, task: FusionTask, releases: MovedReleases, config: TrainConfig
) -> dict[str, dict[str, float]]:
    """SSIM by number of encodings at eps 0.1, and by eps of 30 encodings, sets known."""
    out = {}
    for each, eps in ((10, 0.1), (30, 0.1), (50, 0.1), (30, 0.3), (30, 0.5)):
        moves = MoveConfig(eps=((eps, 1.0),), shifted=0.0, still=0.0, sorted=1.0)
        sampler = MovedReleases(releases.private, np.zeros(len(releases.private), int), releases.public, moves)
        rng = np.random.default_rng([7, each, round(10 * eps)])
        batch = draw_sets(rng, sampler, MEASURED, each, SetConfig(impure=0.0, void=0.0)).to(config.device)
        found = task.figures(net, batch, config)
        out[f"M={each}, eps={eps}"] = {k: round(v, 4) for k, v in found.items() if k != "loss"}
    return out
