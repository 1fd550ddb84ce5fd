"""`ihaudit train membership`: the second network, on embeddings of the similarity network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ihaudit.errors import UsageError
from ihaudit.nn.membership import EXEMPLARS, MemberConfig, MemberHead
from ihaudit.nn.pair_data import REFERENCE, PairBatch, ReleaseConfig, Releases
from ihaudit.nn.pair_weights import load_similarity
from ihaudit.nn.similarity import Embedding, PairNet
from ihaudit.nn.sources import CIFAR_HELD_OUT, load_split, read_images
from ihaudit.nn.training import Job, Stateful, TrainConfig, autocast, train
from ihaudit.nn.weights import FOLDER, save
from ihaudit.training.similarity import TRAINED_ON, balanced_loss, curve, figures, releases

DEFAULTS = TrainConfig(steps=400, batch=256, rate=2e-3, cool_down=0.5, average=0.98, every=50, validation=1024)
#: Sets per image of a batch, and the chance that one of the four exemplars is of another image.
SETS, WRONG = 2, 0.15
#: More encodings of each image than for pairs: four are exemplars.
RANGE = replace(ReleaseConfig(), per_image=16)
_MEASURED, VALIDATED = 16, 256


@dataclass(frozen=True)
class SetBatch:
    """A release, exemplars int64 (S, 4), and bool (B, S): the encoding holds the set's image (exemplars: see `asked`).

    `asked` bool (B, S) is False for the exemplars themselves.
    """

    release: PairBatch
    exemplars: Tensor
    belongs: Tensor
    asked: Tensor


def draw_sets(sampler: Releases, rng: np.random.Generator, size: int, wrong: float = WRONG) -> SetBatch:
    """A release of `size` encodings and sets of four exemplars from it."""
    release = sampler.draw(rng, size)
    images, mass = release.images.numpy(), release.facts.mass.numpy()
    chosen, of = [], []
    for image in np.unique(images[:, 0]):
        inside = np.nonzero((images == image).any(1))[0]
        if len(inside) <= EXEMPLARS:
            continue
        for _ in range(SETS):
            # cliques hold mostly encodings in which the image is strong
            odds = mass[inside].astype(float) ** rng.choice([0, 2])
            four = rng.choice(inside, EXEMPLARS, replace=False, p=odds / odds.sum())
            if rng.random() < wrong:
                four[rng.integers(EXEMPLARS)] = rng.choice(np.setdiff1d(np.arange(size), inside))
            chosen.append(four)
            of.append(image)
    exemplars = np.array(chosen, np.int64).reshape(-1, EXEMPLARS)
    belongs = (images[:, None, :] == np.array(of, np.int64)[None, :, None]).any(2)
    asked = np.ones(belongs.shape, bool)
    asked[exemplars.T, np.arange(len(exemplars))[None]] = False
    return SetBatch(release, torch.from_numpy(exemplars), torch.from_numpy(belongs), torch.from_numpy(asked))


class MembershipTask:
    """The membership head on a frozen encoder (see `ihaudit.nn.training.Task`).

    `validated`: encodings in each release of a validation.
    """

    def __init__(
        self,
        training: Releases,
        held_out: Releases,
        encoder: PairNet,
        config: MemberConfig,
        *,
        validated: int | None = None,
    ) -> None:
        self.training, self.held_out, self.encoder, self.config = training, held_out, encoder, config
        self.validated = validated or VALIDATED
        self.network = config.as_dict()
        self.extra: dict[str, Stateful] = {}
        self._held: list[tuple[SetBatch, Embedding]] = []

    def build(self) -> nn.Module:
        """See `Task`; comparisons start as the similarity network's."""
        head = MemberHead(self.config)
        head.pair.load_state_dict(self.encoder.head.state_dict())
        return head

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> SetBatch:
        """See `Task`."""
        return to_device(draw_sets(self.training, rng, config.batch), config.device)

    def embed(self, batch: SetBatch, config: TrainConfig) -> Embedding:
        """Embeddings, without gradients."""
        with torch.no_grad(), autocast(config):
            x = batch.release.magnitude.contiguous(memory_format=torch.channels_last)
            return self.encoder.to(config.device).embed(x)

    def loss(self, net: nn.Module, batch: SetBatch, config: TrainConfig) -> Tensor:
        """See `Task`."""
        return balanced_loss(*set_logits(net, self.embed(batch, config), batch))

    def validate(self, net: nn.Module, config: TrainConfig) -> dict[str, float]:
        """See `Task`."""
        if not self._held:
            for i in range(max(1, config.validation // self.validated)):
                rng = np.random.default_rng([config.seed, 1, i])
                batch = to_device(draw_sets(self.held_out, rng, self.validated), config.device)
                self._held.append((batch, self.embed(batch, config)))
        parts = [figures(*set_logits(net, z, b)) for b, z in self._held]
        return {k: float(np.mean([p[k] for p in parts])) for k in parts[0]}

    def words(self, figures: Mapping[str, float]) -> str:
        """See `Task`."""
        return f"balanced memberships right {figures['accuracy']:.3f}, AUC {figures['auc']:.3f}"


def to_device(batch: SetBatch, device: str) -> SetBatch:
    """The same on a device."""
    b = batch
    return SetBatch(b.release.to(device), b.exemplars.to(device), b.belongs.to(device), b.asked.to(device))


def set_logits(net: nn.Module, z: Embedding, batch: SetBatch) -> tuple[Tensor, Tensor]:
    """Logits (N,) and truth (N,) of all encodings with all sets, exemplars left out."""
    assert isinstance(net, MemberHead)
    facts, four = batch.release.facts, batch.exemplars
    related = net.relate(z, z, facts, facts)
    inside = related[four[:, :, None], four[:, None, :]]  # (S, 4, 4, hidden + 1)
    sets = batch.belongs.shape[1]
    to_set = related[:, four]  # (B, S, 4, hidden + 1)
    logits = torch.stack([net.belongs(to_set[:, k], inside[k]) for k in range(sets)], 1)
    return logits[batch.asked], batch.belongs[batch.asked]


def train_membership(job: Job) -> dict[str, Any]:
    """Train the membership head, measure it on held-out photographs, write weights and card.

    Options: ``encoder``, the similarity weights to build on; the shipped ones where not given.

    Raises:
        ImageError: training images are missing.
        UsageError: the similarity weights are of a network without embeddings.
    """
    config = job.start(DEFAULTS, "encoder")
    path = Path(job.options["encoder"]) if job.options.get("encoder") else FOLDER / "similarity.safetensors"
    encoder = load_similarity(path, config.device)
    if not isinstance(encoder, PairNet):
        raise UsageError(f"{path} holds a network that compares stacked pairs; the membership network needs embeddings")
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    training, held_out = releases(job.data, RANGE)
    shape = MemberConfig(products=encoder.head.first.in_features, hidden=encoder.head.first.out_features)
    task = MembershipTask(training, held_out, encoder, shape)
    job.log(f"training on {training.n_private} private-like images with the embeddings of {path.name}")
    net, record = train(task, config, job.checkpoint_path, job.log)
    facts = {
        "trained_on": TRAINED_ON,
        "encoder": hashlib.sha256(path.read_bytes()).hexdigest(),
        **job.facts(config, record),
        "releases": asdict(RANGE),
        "learning_curve": curve(record),
        "held_out": held_out_figures(task, net, config, job.data),
    }
    save(net, task.network, job.out, facts)
    return facts


def held_out_figures(
    task: MembershipTask, net: nn.Module, config: TrainConfig, data: Path
) -> dict[str, dict[str, float]]:
    """Accuracy on balanced memberships and AUC on images never trained on; settings as `pair_training`.

    ``*_pair_mean`` is the simplest strategy on the same samples: the mean log odds of the similarity network with the
    four exemplars.
    """
    split = load_split(data)
    labels = read_images(data, "cifar10_train20k")["labels"][CIFAR_HELD_OUT:].astype(int)
    patches = split.held_patches
    half = len(patches) // 2
    reference = replace(REFERENCE, per_image=16)
    sets = {
        "cifar": Releases(split.held_cifar, labels, patches, reference),
        "photographs": Releases(patches[:half], np.zeros(half, int), patches[half:], reference),
        "range": Releases(split.held_cifar, labels, patches, RANGE),
    }
    out = {}
    for name, sampler in sets.items():
        logits, means, truth = [], [], []
        for i in range(_MEASURED):
            batch = to_device(draw_sets(sampler, np.random.default_rng([13, i]), VALIDATED, wrong=0.0), config.device)
            z = task.embed(batch, config)
            with torch.no_grad():
                s, t = set_logits(net, z, batch)
                facts = batch.release.facts
                pair = task.encoder.compare(z, z, facts, facts)[:, batch.exemplars].mean(2)[batch.asked]
            logits.append(s)
            means.append(pair)
            truth.append(t)
        t = torch.cat(truth)
        measured, simple = figures(torch.cat(logits), t), figures(torch.cat(means), t)
        measured |= {"accuracy_pair_mean": simple["accuracy"], "auc_pair_mean": simple["auc"]}
        out[name] = {k: round(v, 4) for k, v in measured.items()}
    return out
