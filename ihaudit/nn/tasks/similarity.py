"""Pair networks fitted to releases: losses, figures of merit, and tasks.

Pairs that share an image and pairs that do not get equal weight, so logits are log odds at even prior odds.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit import stats
from ihaudit.nn.fitting import Task, TrainConfig, autocast
from ihaudit.nn.releases import PairBatch, Releases
from ihaudit.nn.similarity import Embedding, PairConfig, PairNet
from ihaudit.nn.similarity_wrn import PairWrn, WrnConfig

N = TypeVar("N", bound=nn.Module)

#: Encodings in each release of a validation or measurement.
VALIDATED = 256
#: Pairs of a training batch that share nothing and are looked at.
NEGATIVES = 6000


class PairTask(Task[N, PairBatch]):
    """A network N that compares encodings, on releases; every pair of a batch counts.

    Attributes:
        validated: encodings in each release of a validation.
    """

    def __init__(
        self, training: Releases, held_out: Releases, network: dict[str, Any], validated: int | None = None
    ) -> None:
        super().__init__(network)
        self.training, self.held_out = training, held_out
        self.validated = validated or VALIDATED
        self._held: list[PairBatch] = []

    @abstractmethod
    def logits(self, net: N, batch: PairBatch, config: TrainConfig) -> Tensor:
        """Log odds (B, B) of all pairs."""

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> PairBatch:
        return self.training.draw(rng, config.batch).to(config.device)

    def validate(self, net: N, config: TrainConfig) -> dict[str, float]:
        if not self._held:
            rng = np.random.default_rng([config.seed, 1])
            rounds = max(1, config.validation // self.validated)
            self._held = [self.held_out.draw(rng, self.validated).to(config.device) for _ in range(rounds)]
        return mean_figures([figures(*upper(self.logits(net, b, config), b)) for b in self._held])

    def describe(self, figures: Mapping[str, float]) -> str:
        return f"balanced pairs right {figures['accuracy']:.3f}, AUC {figures['auc']:.3f}"

    def measured(self, net: N, sampler: Releases, config: TrainConfig, seed: int, count: int) -> dict[str, float]:
        """`figures` over `count` releases of a sampler."""

        def logits(i: int) -> tuple[Tensor, Tensor]:
            batch = sampler.draw(np.random.default_rng([seed, i]), self.validated).to(config.device)
            return upper(self.logits(net, batch, config), batch)

        return figures_of(logits, count)


class SimilarityTask(PairTask[PairNet]):
    """The encoder and its head.

    Args:
        start: a state of the mask recovery network to begin from.
        rest: the same for learned features and head.
    """

    def __init__(
        self,
        training: Releases,
        held_out: Releases,
        config: PairConfig,
        start: dict[str, Tensor] | None = None,
        *,
        rest: dict[str, Tensor] | None = None,
        validated: int | None = None,
    ) -> None:
        super().__init__(training, held_out, config.as_dict(), validated)
        self.config, self.start, self.rest = config, start, rest

    def build(self) -> PairNet:
        net = PairNet(self.config)
        if self.start is not None:
            net.unmask.load_state_dict(self.start)
        if self.rest is not None:
            net.load_state_dict(self.rest, strict=False)
        net.whiten(self.training.draw(np.random.default_rng([0, 3]), 512).magnitude)
        return net

    def logits(self, net: PairNet, batch: PairBatch, config: TrainConfig) -> Tensor:
        """Log odds (B, B) of all pairs."""
        z = self._embed(net, batch, config)
        return net.compare(z, z, batch.facts, batch.facts)

    def loss(self, net: PairNet, batch: PairBatch, config: TrainConfig) -> Tensor:
        i, j, truth = chosen_pairs(batch, NEGATIVES)
        return balanced_loss(net.compare_some(self._embed(net, batch, config), batch.facts, i, j), truth)

    def _embed(self, net: PairNet, batch: PairBatch, config: TrainConfig) -> Embedding:
        with autocast(config):
            return net.embed(batch.magnitude.contiguous(memory_format=torch.channels_last))


class WrnTask(PairTask[PairWrn]):
    """The paper's network: single pairs, half of which share an image."""

    def __init__(
        self, training: Releases, held_out: Releases, config: WrnConfig, *, validated: int | None = None
    ) -> None:
        super().__init__(training, held_out, config.as_dict(), validated)
        self.config = config

    def build(self) -> PairWrn:
        return PairWrn(self.config)

    def logits(self, net: PairWrn, batch: PairBatch, config: TrainConfig) -> Tensor:
        """Log odds (B, B) of all pairs."""
        with autocast(config):
            z = net.embed(batch.magnitude)
            return net.compare(z, z, batch.facts, batch.facts)

    def loss(self, net: PairWrn, batch: PairBatch, config: TrainConfig) -> Tensor:
        """Up to two pairs per encoding."""
        i, j, truth = chosen_pairs(batch, len(batch.images))
        keep = torch.linspace(0, len(i) - 1, min(len(i), 2 * len(batch.images)), device=i.device).long()
        i, j, truth = i[keep], j[keep], truth[keep]
        with autocast(config):
            logits = net.pairs(batch.magnitude[i], batch.magnitude[j])
        return balanced_loss(logits.float(), truth)


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
    return {
        "loss": float(balanced_loss(logits, truth)),
        "accuracy": float(accuracy),
        "auc": stats.auc(s, t).value or 0.0,
    }


def figures_of(logits: Callable[[int], tuple[Tensor, Tensor]], count: int) -> dict[str, float]:
    """`figures` over `count` batches together, to four digits; `logits(i)` answers logits and truth of one."""
    with torch.no_grad():
        parts = [logits(i) for i in range(count)]
    return {k: round(v, 4) for k, v in figures(*(torch.cat(x) for x in zip(*parts, strict=True))).items()}


def mean_figures(parts: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure."""
    return {k: float(np.mean([p[k] for p in parts])) for k in parts[0]}
