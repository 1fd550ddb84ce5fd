"""`ihaudit train membership`: the second network, on embeddings of the similarity network."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ihaudit.contracts.trainer import Job, trainer
from ihaudit.errors import UsageError
from ihaudit.nn.fitting import TrainConfig, learning_curve, train
from ihaudit.nn.membership import MemberHead
from ihaudit.nn.releases import REFERENCE, Releases
from ihaudit.nn.shipped import load_similarity
from ihaudit.nn.similarity import PairNet
from ihaudit.nn.sources import TRAINED_ON, load_split
from ihaudit.nn.tasks.membership import RANGE, MembershipTask, draw_sets, set_logits
from ihaudit.nn.tasks.similarity import figures_of
from ihaudit.nn.weights import FOLDER
from ihaudit.training import start, write
from ihaudit.training.similarity import STARTS_FROM, held_out_releases, releases

DEFAULTS = TrainConfig(steps=400, batch=256, rate=2e-3, cool_down=0.5, average=0.98, every=50, validation=1024)
#: Releases in a held-out measurement.
MEASURED = 16


@trainer("membership", "tells whether an encoding belongs with four others; attack carlini", options=("encoder",))
def train_membership(job: Job) -> dict[str, Any]:
    """Train the membership head, measure it on held-out photographs, write weights and card.

    Options: ``encoder``, the similarity weights to build on; the shipped ones where not given.

    Raises:
        ImageError: training images are missing.
        UsageError: the similarity weights are of a network without embeddings.
    """
    config = start(job, DEFAULTS)
    path = Path(job.options["encoder"]) if job.options.get("encoder") else FOLDER / "similarity.safetensors"
    encoder = load_similarity(path, config.device)
    if not isinstance(encoder, PairNet):
        raise UsageError(f"{path} holds a network that compares stacked pairs; the membership network needs embeddings")
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    split = load_split(job.data)
    training, held_out = releases(split, RANGE)
    task = MembershipTask(training, held_out, encoder)
    job.log(f"training on {training.n_private} private-like images with the embeddings of {path.name}")
    net, record = train(task, config, job.checkpoint_path, job.log)
    samplers = held_out_releases(split, replace(REFERENCE, per_image=RANGE.per_image), RANGE)
    card = {
        "trained_on": TRAINED_ON + STARTS_FROM,
        "encoder": hashlib.sha256(path.read_bytes()).hexdigest(),
        "releases": asdict(RANGE),
        "learning_curve": learning_curve(record),
        "held_out": {name: measured(task, net, sampler, config) for name, sampler in samplers.items()},
    }
    return write(job, net, task.network, config, record, card)


def measured(task: MembershipTask, net: MemberHead, sampler: Releases, config: TrainConfig) -> dict[str, float]:
    """Accuracy on balanced memberships and AUC.

    ``*_pair_mean`` is the simplest strategy on the same samples: the mean log odds of the similarity network with the
    four exemplars.
    """
    rngs = [np.random.default_rng([13, i]) for i in range(MEASURED)]
    batches = [draw_sets(sampler, rng, task.validated, wrong=0.0).to(config.device) for rng in rngs]
    embedded = [task.embed(batch, config) for batch in batches]

    def pair_mean(i: int) -> tuple[torch.Tensor, torch.Tensor]:
        z, batch, facts = embedded[i], batches[i], batches[i].release.facts
        odds = task.encoder.compare(z, z, facts, facts)[:, batch.exemplars].mean(2)
        return odds[batch.asked], batch.belongs[batch.asked]

    simple = figures_of(pair_mean, MEASURED)
    found = figures_of(lambda i: set_logits(net, embedded[i], batches[i]), MEASURED)
    return found | {"accuracy_pair_mean": simple["accuracy"], "auc_pair_mean": simple["auc"]}
