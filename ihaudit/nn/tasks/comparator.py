"""The comparative network, and the filter of the same shape, fitted to releases whose images were moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ihaudit.nn.comparator import Comparator, ComparatorConfig
from ihaudit.nn.fitting import Task, TrainConfig, autocast
from ihaudit.nn.moved_releases import MovedBatch, MovedReleases
from ihaudit.nn.similarity import Embedding
from ihaudit.nn.tasks.similarity import NEGATIVES, balanced_loss, figures, figures_of, mean_figures

#: eps below which two encodings of an image count as neighbours (t_eps of the paper).
NEAR = 0.2
#: Encodings in each release of a validation or measurement.
VALIDATED = 192

Question = Literal["image", "near"]


class ComparatorTask(Task[Comparator, MovedBatch]):
    """Log odds of pairs.

    Args:
        question: ``image``, do two encodings share one; ``near``, do they, and is it in one an eps-augmentation of
            what it is in the other with eps below `NEAR`.
        begin: weights to start from.
    """

    def __init__(
        self,
        training: MovedReleases,
        held_out: MovedReleases,
        shape: ComparatorConfig,
        question: Question = "image",
        begin: dict[str, Tensor] | None = None,
    ) -> None:
        super().__init__(shape.as_dict())
        self.training, self.held_out, self.shape, self.question, self.begin = (
            training,
            held_out,
            shape,
            question,
            begin,
        )
        self._held: list[MovedBatch] = []

    def build(self) -> Comparator:
        net = Comparator(self.shape)
        if self.begin is not None:
            net.load_state_dict(self.begin)
        return net

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> MovedBatch:
        return moved_to(self.training.draw(rng, config.batch), config.device)

    def loss(self, net: Comparator, batch: MovedBatch, config: TrainConfig) -> Tensor:
        i, j, truth = self.pairs(batch, NEGATIVES)
        z = self._embed(net, batch, config)
        return balanced_loss(net.compare_some(z, batch.pairs.facts, i, j), truth)

    def validate(self, net: Comparator, config: TrainConfig) -> dict[str, float]:
        if not self._held:
            rng = np.random.default_rng([config.seed, 1])
            rounds = max(1, config.validation // VALIDATED)
            self._held = [moved_to(self.held_out.draw(rng, VALIDATED), config.device) for _ in range(rounds)]
        return mean_figures([figures(*self.judged(net, b, config)) for b in self._held])

    def describe(self, figures: Mapping[str, float]) -> str:
        return f"balanced pairs right {figures['accuracy']:.3f}, AUC {figures['auc']:.3f}"

    def measured(self, net: Comparator, releases: MovedReleases, config: TrainConfig, count: int) -> dict[str, float]:
        """Figures over `count` releases."""

        def logits(i: int) -> tuple[Tensor, Tensor]:
            batch = releases.draw(np.random.default_rng([11, i]), VALIDATED)
            return self.judged(net, moved_to(batch, config.device), config)

        return figures_of(logits, count)

    def judged(self, net: Comparator, batch: MovedBatch, config: TrainConfig) -> tuple[Tensor, Tensor]:
        """Log odds (N,) and bool truth (N,) of all pairs that the question is about."""
        i, j, truth = self.pairs(batch, None)
        return net.compare_some(self._embed(net, batch, config), batch.pairs.facts, i, j), truth

    def pairs(self, batch: MovedBatch, negatives: int | None) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs i, j int64 (N,) and bool (N,) the answer; at most `negatives` whose answer is no."""
        shares = batch.pairs.shares().triu(1)
        if self.question == "near":
            # the moves are those of the first image, so it must be the one in common
            first = batch.pairs.images[:, 0]
            shares &= first[:, None] == first[None]
            a, b = batch.moves[:, None], batch.moves[None]
            near = torch.from_numpy(a.apart(b) < NEAR).to(shares.device)
            yes, far = torch.nonzero(shares & near), torch.nonzero(shares & ~near)
            # clustering leaves encodings of other images too
            no = torch.cat([far, evenly(torch.nonzero((~batch.pairs.shares()).triu(1)), len(far))])
        else:
            yes, no = torch.nonzero(shares), torch.nonzero((~batch.pairs.shares()).triu(1))
        if negatives is not None:
            no = evenly(no, negatives)
        pairs = torch.cat([yes, no])
        truth = torch.arange(len(pairs), device=pairs.device) < len(yes)
        return pairs[:, 0], pairs[:, 1], truth

    def _embed(self, net: Comparator, batch: MovedBatch, config: TrainConfig) -> Embedding:
        with autocast(config):
            return net.embed(batch.pairs.magnitude.contiguous(memory_format=torch.channels_last))


def evenly(rows: Tensor, most: int) -> Tensor:
    """At most so many of some rows, evenly spaced."""
    return rows[torch.linspace(0, max(len(rows) - 1, 0), min(len(rows), most), device=rows.device).long()]


def moved_to(batch: MovedBatch, device: str) -> MovedBatch:
    """The same batch on a device."""
    return MovedBatch(batch.pairs.to(device), batch.moves)
