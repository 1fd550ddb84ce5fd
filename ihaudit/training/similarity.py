"""`ihaudit train similarity`: data, training, measurement, weights with their card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.errors import UsageError
from ihaudit.nn.pair_data import REFERENCE, PairBatch, ReleaseConfig, Releases
from ihaudit.nn.similarity import PairConfig, PairNet
from ihaudit.nn.similarity_wrn import PairWrn, WrnConfig
from ihaudit.nn.sources import CIFAR_HELD_OUT, Split, load_split, read_images
from ihaudit.nn.training import Job, Stateful, TrainConfig, autocast, train
from ihaudit.nn.weights import load_unmix, save

#: Releases in a held-out measurement.
_MEASURED = 24
#: Encodings in each of them, and in each of a validation.
VALIDATED = 256

#: Pairs of a training batch that share nothing and are looked at.
NEGATIVES = 6000

DEFAULTS = TrainConfig(steps=700, batch=256, rate=7e-4, cool_down=0.5, average=0.98, every=50, validation=1024)
WRN_DEFAULTS = replace(DEFAULTS, steps=50_000, rate=1e-3, average=0.998, every=1000)


class SimilarityTask:
    """A pair network on releases (see `ihaudit.nn.training.Task`); every pair of a batch counts.

    Pairs that share an image and pairs that do not get equal weight, so logits are log odds at even prior odds.

    Args:
        start: a state of the mask recovery network to begin from.
        rest: the same for learned features and head.
        validated: encodings in each release of a validation.
    """

    def __init__(
        self,
        training: Releases,
        held_out: Releases,
        config: PairConfig,
        start: dict[str, Tensor] | None = None,
        *,
        rest: dict[str, Tensor] | None = None,
        validated: int = 256,
    ) -> None:
        self.training, self.held_out, self.config, self.start = training, held_out, config, start
        self.rest, self.validated = rest, validated
        self.network = config.as_dict()
        self.extra: dict[str, Stateful] = {}
        self._held: list[PairBatch] = []

    def build(self) -> nn.Module:
        """See `Task`."""
        net = PairNet(self.config)
        if self.start is not None:
            net.unmask.load_state_dict(self.start)
        if self.rest is not None:
            net.load_state_dict(self.rest, strict=False)
        net.whiten(self.training.draw(np.random.default_rng([0, 3]), 512).magnitude)
        return net

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> PairBatch:
        """See `Task`."""
        return self.training.draw(rng, config.batch).to(config.device)

    def logits(self, net: nn.Module, batch: PairBatch, config: TrainConfig) -> Tensor:
        """(B, B) log odds."""
        return pair_logits(net, batch, config)

    def loss(self, net: nn.Module, batch: PairBatch, config: TrainConfig) -> Tensor:
        """See `Task`."""
        assert isinstance(net, PairNet)
        i, j, truth = chosen_pairs(batch, NEGATIVES)
        with autocast(config):
            z = net.embed(batch.magnitude.contiguous(memory_format=torch.channels_last))
        return balanced_loss(net.compare_some(z, batch.facts, i, j), truth)

    def validate(self, net: nn.Module, config: TrainConfig) -> dict[str, float]:
        """See `Task`."""
        if not self._held:
            rng = np.random.default_rng([config.seed, 1])
            rounds = max(1, config.validation // self.validated)
            self._held = [self.held_out.draw(rng, self.validated).to(config.device) for _ in range(rounds)]
        parts = [figures(*upper(self.logits(net, b, config), b)) for b in self._held]
        return {k: float(np.mean([p[k] for p in parts])) for k in parts[0]}

    def words(self, figures: Mapping[str, float]) -> str:
        """See `Task`."""
        return f"balanced pairs right {figures['accuracy']:.3f}, AUC {figures['auc']:.3f}"


def pair_logits(net: nn.Module, batch: PairBatch, config: TrainConfig) -> Tensor:
    """(B, B) log odds of a `PairNet`."""
    assert isinstance(net, PairNet)
    with autocast(config):
        z = net.embed(batch.magnitude.contiguous(memory_format=torch.channels_last))
    return net.compare(z, z, batch.facts, batch.facts)


def upper(logits: Tensor, batch: PairBatch) -> tuple[Tensor, Tensor]:
    """Logits (N,) and bool truth (N,) of the pairs above the diagonal."""
    i, j = torch.triu_indices(len(logits), len(logits), 1, device=logits.device)
    return logits[i, j], batch.shares()[i, j]


def chosen_pairs(batch: PairBatch, negatives: int) -> tuple[Tensor, Tensor, Tensor]:
    """All pairs i, j int64 (N,) of a batch that share an image and up to `negatives` that do not; bool (N,) which."""
    shares = batch.shares()
    yes = torch.nonzero(shares.triu(1))
    no = torch.nonzero((~shares).triu(1))
    # evenly spaced: the encodings of a batch are in random order
    no = no[torch.linspace(0, max(len(no) - 1, 0), min(len(no), negatives), device=no.device).long()]
    pairs = torch.cat([yes, no])
    return pairs[:, 0], pairs[:, 1], shares[pairs[:, 0], pairs[:, 1]]


def balanced_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy, half of the weight on each kind of pair; scalar."""
    yes, no = F.softplus(-logits)[truth], F.softplus(logits)[~truth]
    return ((yes.mean() if len(yes) else yes.sum()) + (no.mean() if len(no) else no.sum())) / 2


def figures(logits: Tensor, truth: Tensor) -> dict[str, float]:
    """Loss, accuracy on balanced pairs (threshold 0), and AUC."""
    s, t = logits.float().cpu().numpy(), truth.cpu().numpy()
    accuracy = ((s[t] > 0).mean() + (s[~t] <= 0).mean()) / 2
    return {"loss": float(balanced_loss(logits, truth)), "accuracy": float(accuracy), "auc": auc(s, t)}


def auc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Chance that a true pair scores above a false one (ties count half)."""
    yes = int(truth.sum())
    no = len(truth) - yes
    return float((rankdata(scores)[truth].sum() - yes * (yes + 1) / 2) / max(1, yes * no))


def train_similarity(job: Job) -> dict[str, Any]:
    """Train a pair network, measure it on held-out photographs, write weights and card.

    Options: ``network``, ``encoder`` (the shipped kind) or ``wrn`` (the paper's).

    Returns:
        The facts on the card.

    Raises:
        ImageError: training images are missing.
        UsageError: there is no such network.
    """
    kind = str(job.options.get("network", "encoder"))
    if kind not in ("encoder", "wrn"):
        raise UsageError(f"there is no similarity network {kind!r}; there are: encoder, wrn")
    config = job.start(DEFAULTS if kind == "encoder" else WRN_DEFAULTS, "network")
    task = similarity_task(job.data, kind)
    job.log(f"training on {task.training.n_private} private-like images, held out {task.held_out.n_private}")
    net, record = train(task, config, job.checkpoint_path, job.log)
    split = load_split(job.data)
    facts = {
        "trained_on": TRAINED_ON,
        **job.facts(config, record),
        "releases": asdict(task.training.config),
        "learning_curve": curve(record),
        "held_out": held_out_figures(task, net, config, split, job.data),
    }
    save(net, task.network, job.out, facts)
    return facts


TRAINED_ON = (
    "cifar10_train20k (first 10,000 images, with their classes), cifar100_train5k, imagenet_patches (4,295 patches, of "
    "photographs none of which is held out); the split is ihaudit.nn.sources.load_split; starts from the weights of "
    "`unmix`, a mask recovery network trained on the same images"
)


def curve(record: Mapping[str, Any]) -> list[dict[str, float]]:
    """The learning curve for a card."""
    return [{k: round(float(v), 4) for k, v in h.items()} for h in record["history"]]


def similarity_task(data: Path, kind: str = "encoder") -> SimilarityTask:
    """The task on the images in `data`."""
    training, held_out = releases(data, ReleaseConfig())
    if kind == "wrn":
        return WrnTask(training, held_out, WrnConfig())
    return SimilarityTask(training, held_out, PairConfig(), load_unmix().state_dict())


def releases(data: Path, config: ReleaseConfig) -> tuple[Releases, Releases]:
    """Samplers of training and of held-out releases."""
    split = load_split(data)
    ten, hundred = read_images(data, "cifar10_train20k"), read_images(data, "cifar100_train5k")
    labels = np.concatenate([ten["labels"][:CIFAR_HELD_OUT].astype(int), 1000 + hundred["labels"].astype(int)])
    return (
        Releases(split.train_private, labels, split.train_public, config),
        Releases(split.held_cifar, ten["labels"][CIFAR_HELD_OUT:].astype(int), split.held_patches, config),
    )


def held_out_figures(
    task: SimilarityTask, net: nn.Module, config: TrainConfig, split: Split, data: Path
) -> dict[str, dict[str, float]]:
    """Accuracy on balanced pairs and AUC on images that were never trained on.

    Returns:
        By what the private images are, everything else as the reference benchmark: ``cifar`` (pairs of one class, the
        pairs that an attack must tell apart), ``photographs`` (public photographs as private images); ``range``:
        CIFAR in the whole range of releases trained on.
    """
    labels = read_images(data, "cifar10_train20k")["labels"][CIFAR_HELD_OUT:].astype(int)
    half = len(split.held_patches) // 2
    patches = split.held_patches
    one_class = np.zeros(half, int)
    sets = {
        "cifar": Releases(split.held_cifar, labels, patches, REFERENCE),
        "photographs": Releases(patches[:half], one_class, patches[half:], REFERENCE),
        "range": Releases(split.held_cifar, labels, patches, ReleaseConfig()),
    }
    out = {}
    for name, sampler in sets.items():
        logits, truth = [], []
        for i in range(_MEASURED):
            batch = sampler.draw(np.random.default_rng([11, i]), VALIDATED).to(config.device)
            with torch.no_grad():
                s, t = upper(task.logits(net, batch, config), batch)
            logits.append(s)
            truth.append(t)
        measured = figures(torch.cat(logits), torch.cat(truth))
        out[name] = {k: round(v, 4) for k, v in measured.items()}
    return out


class WrnTask(SimilarityTask):
    """The paper's network: single pairs, half of which share an image."""

    def __init__(self, training: Releases, held_out: Releases, wrn: WrnConfig) -> None:
        super().__init__(training, held_out, PairConfig())
        self.wrn, self.network = wrn, wrn.as_dict()

    def build(self) -> nn.Module:
        """See `Task`."""
        return PairWrn(self.wrn)

    def logits(self, net: nn.Module, batch: PairBatch, config: TrainConfig) -> Tensor:
        """(B, B) log odds."""
        assert isinstance(net, PairWrn)
        with autocast(config):
            z = net.embed(batch.magnitude)
            return net.compare(z, z, batch.facts, batch.facts)

    def loss(self, net: nn.Module, batch: PairBatch, config: TrainConfig) -> Tensor:
        """See `Task`: up to two pairs per encoding."""
        assert isinstance(net, PairWrn)
        i, j, truth = chosen_pairs(batch, len(batch.images))
        keep = torch.linspace(0, len(i) - 1, min(len(i), 2 * len(batch.images)), device=i.device).long()
        i, j, truth = i[keep], j[keep], truth[keep]
        with autocast(config):
            logits = net.pairs(batch.magnitude[i], batch.magnitude[j])
        return balanced_loss(logits.float(), truth)
