"""`ihaudit train comparator`: the comparative network of Luo et al. (AAAI 2022) on releases whose images were moved."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from ihaudit.contracts.trainer import Job, trainer
from ihaudit.nn.comparator import PAPER, Comparator, ComparatorConfig
from ihaudit.nn.fitting import TrainConfig, learning_curve, train
from ihaudit.nn.moved_releases import MoveConfig, MovedReleases
from ihaudit.nn.sources import load_split
from ihaudit.nn.tasks.comparator import ComparatorTask
from ihaudit.training import start, today, write
from ihaudit.training.fusion import TRAINED_ON, chosen, pools

DEFAULTS = TrainConfig(steps=900, batch=256, rate=1.5e-3, cool_down=0.5, average=0.98, every=75, validation=768)
PAPER_DEFAULTS = replace(DEFAULTS, steps=20_000, rate=3e-4, average=0.998, every=1000)
SIZES = {"small": ComparatorConfig(), "paper": PAPER}
MOVES = MoveConfig()
#: Releases in each held-out measurement.
MEASURED = 10


@trainer(
    "comparator", "tells whether encodings share an image that was moved; attacks fdn, carlini", options=("network",)
)
def train_comparator(job: Job) -> dict[str, Any]:
    """Train the comparative network, measure it on held-out photographs, write weights and card.

    Options: ``network``, ``small`` (the shipped size) or ``paper``.

    Raises:
        ImageError: training images are missing.
        UsageError: there is no such network.
    """
    shape = chosen(job, SIZES, "comparator")
    config = start(job, DEFAULTS if shape != PAPER else PAPER_DEFAULTS)
    training, held_out, measured = (MovedReleases(*pool, MOVES) for pool in pools(load_split(job.data)))
    task = ComparatorTask(training, held_out, shape)
    net, record = train(task, config, job.checkpoint_path, job.log)
    card = {
        "trained_on": TRAINED_ON,
        "date": today(),
        "moves": asdict(MOVES),
        "learning_curve": learning_curve(record),
        "held_out": held_out_figures(net, task, measured, config),
    }
    return write(job, net, task.network, config, record, card)


def held_out_figures(
    net: Comparator, task: ComparatorTask, releases: MovedReleases, config: TrainConfig
) -> dict[str, dict[str, float]]:
    """Figures by eps, and for shifts of up to four pixels; pairs of one class."""
    out = {}
    kinds = {f"eps={eps}": MoveConfig(eps=((eps, 1.0),), shifted=0.0, still=0.0, sorted=1.0) for eps in (0.1, 0.2, 0.5)}
    kinds["shifted"] = replace(MOVES, shifted=1.0, still=0.0)
    labels = np.zeros(len(releases.private), int)
    for c, indices in enumerate(releases.of_class):
        labels[indices] = c
    for name, moves in kinds.items():
        sampler = MovedReleases(releases.private, labels, releases.public, moves)
        out[name] = task.measured(net, sampler, config, MEASURED)
    return out
