"""`ihaudit train similarity`: a pair network on releases made from photographs."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from ihaudit.contracts.trainer import Job, trainer
from ihaudit.errors import UsageError
from ihaudit.nn.fitting import TrainConfig, learning_curve, train
from ihaudit.nn.releases import REFERENCE, ReleaseConfig, Releases
from ihaudit.nn.shipped import load_unmix
from ihaudit.nn.similarity import PairConfig
from ihaudit.nn.similarity_wrn import WrnConfig
from ihaudit.nn.sources import TRAINED_ON, Split, load_split
from ihaudit.nn.tasks.similarity import PairTask, SimilarityTask, WrnTask
from ihaudit.training import start, write

DEFAULTS = TrainConfig(steps=700, batch=256, rate=7e-4, cool_down=0.5, average=0.98, every=50, validation=1024)
WRN_DEFAULTS = replace(DEFAULTS, steps=50_000, rate=1e-3, average=0.998, every=1000)
#: Releases in a held-out measurement.
MEASURED = 24
STARTS_FROM = "; starts from the weights of `unmix`, a mask recovery network trained on the same images"


@trainer("similarity", "tells whether two encodings share an image; attack carlini", options=("network",))
def train_similarity(job: Job) -> dict[str, Any]:
    """Train a pair network, measure it on held-out photographs, write weights and card.

    Options: ``network``, ``encoder`` (the shipped kind) or ``wrn`` (the paper's).

    Raises:
        ImageError: training images are missing.
        UsageError: there is no such network.
    """
    kind = str(job.options.get("network", "encoder"))
    if kind not in ("encoder", "wrn"):
        raise UsageError(f"there is no similarity network {kind!r}; there are: encoder, wrn")
    config = start(job, DEFAULTS if kind == "encoder" else WRN_DEFAULTS)
    split = load_split(job.data)
    training, held_out = releases(split, ReleaseConfig())
    task: PairTask[Any] = (
        WrnTask(training, held_out, WrnConfig())
        if kind == "wrn"
        else SimilarityTask(training, held_out, PairConfig(), load_unmix().state_dict())
    )
    job.log(f"training on {training.n_private} private-like images, held out {held_out.n_private}")
    net, record = train(task, config, job.checkpoint_path, job.log)
    card = {
        "trained_on": TRAINED_ON + STARTS_FROM,
        "releases": asdict(training.config),
        "learning_curve": learning_curve(record),
        "held_out": {
            name: task.measured(net, sampler, config, 11, MEASURED)
            for name, sampler in held_out_releases(split, REFERENCE, ReleaseConfig()).items()
        },
    }
    return write(job, net, task.network, config, record, card)


def releases(split: Split, config: ReleaseConfig) -> tuple[Releases, Releases]:
    """Samplers of training and of held-out releases."""
    return (
        Releases(split.train_private, split.train_labels, split.train_public, config),
        Releases(split.held_cifar, split.held_labels, split.held_patches, config),
    )


def held_out_releases(split: Split, reference: ReleaseConfig, whole: ReleaseConfig) -> dict[str, Releases]:
    """Releases of images that were never trained on, by what the private images are.

    ``cifar`` (pairs of one class, the pairs that an attack must tell apart) and ``photographs`` (public photographs as
    private images) are drawn by `reference`; ``range``: CIFAR in the `whole` range of releases trained on.
    """
    patches, half = split.held_patches, len(split.held_patches) // 2
    return {
        "cifar": Releases(split.held_cifar, split.held_labels, patches, reference),
        "photographs": Releases(patches[:half], np.zeros(half, np.int64), patches[half:], reference),
        "range": Releases(split.held_cifar, split.held_labels, patches, whole),
    }
