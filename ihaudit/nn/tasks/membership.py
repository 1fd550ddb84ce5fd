"""The membership head fitted to sets of four exemplars, on embeddings of a similarity network that stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ihaudit.nn.fitting import Task, TrainConfig, autocast
from ihaudit.nn.membership import EXEMPLARS, MemberConfig, MemberHead
from ihaudit.nn.releases import PairBatch, ReleaseConfig, Releases
from ihaudit.nn.similarity import Embedding, PairNet
from ihaudit.nn.tasks import similarity
from ihaudit.nn.tasks.similarity import balanced_loss, figures, mean_figures

#: Sets per image of a batch, and the chance that one of the four exemplars is of another image.
SETS, WRONG = 2, 0.15
#: More encodings of each image than for pairs: four are exemplars.
RANGE = replace(ReleaseConfig(), per_image=16)


@dataclass(frozen=True)
class SetBatch:
    """A release, exemplars int64 (S, 4), and bool (B, S): the encoding holds the set's image (exemplars: see `asked`).

    `asked` bool (B, S) is False for the exemplars themselves.
    """

    release: PairBatch
    exemplars: Tensor
    belongs: Tensor
    asked: Tensor

    def to(self, device: str) -> SetBatch:
        """The same batch on a device."""
        return SetBatch(
            self.release.to(device), self.exemplars.to(device), self.belongs.to(device), self.asked.to(device)
        )


def draw_sets(sampler: Releases, rng: np.random.Generator, size: int, wrong: float = WRONG) -> SetBatch:
    """A release of `size` encodings and sets of four exemplars from it."""
    release = sampler.draw(rng, size)
    images, mass = release.images.numpy(), release.facts.mass.numpy()
    chosen, of = [], []
    for image in np.unique(images[:, 0]):
        holders = np.nonzero((images == image).any(1))[0]
        if len(holders) <= EXEMPLARS:
            continue
        for _ in range(SETS):
            # cliques hold mostly encodings in which the image is strong
            odds = mass[holders].astype(float) ** rng.choice([0, 2])
            four = rng.choice(holders, EXEMPLARS, replace=False, p=odds / odds.sum())
            if rng.random() < wrong:
                four[rng.integers(EXEMPLARS)] = rng.choice(np.setdiff1d(np.arange(size), holders))
            chosen.append(four)
            of.append(image)
    exemplars = np.array(chosen, np.int64).reshape(-1, EXEMPLARS)
    belongs = (images[:, None, :] == np.array(of, np.int64)[None, :, None]).any(2)
    asked = np.ones(belongs.shape, bool)
    asked[exemplars.T, np.arange(len(exemplars))[None]] = False
    return SetBatch(release, torch.from_numpy(exemplars), torch.from_numpy(belongs), torch.from_numpy(asked))


class MembershipTask(Task[MemberHead, SetBatch]):
    """The membership head on a frozen encoder.

    Args:
        encoder: the similarity network whose embeddings are compared.
        pooled: width after pooling over the exemplars.
        validated: encodings in each release of a validation.
    """

    def __init__(
        self,
        training: Releases,
        held_out: Releases,
        encoder: PairNet,
        *,
        pooled: int = 64,
        validated: int | None = None,
    ) -> None:
        self.training, self.held_out, self.encoder = training, held_out, encoder
        self.validated = validated or similarity.VALIDATED
        first = encoder.head.first
        self.config = MemberConfig(products=first.in_features, hidden=first.out_features, pooled=pooled)
        super().__init__(self.config.as_dict())
        self._held: list[tuple[SetBatch, Embedding]] = []

    def build(self) -> MemberHead:
        """Comparisons start as the similarity network's."""
        head = MemberHead(self.config)
        head.pair.load_state_dict(self.encoder.head.state_dict())
        return head

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> SetBatch:
        return draw_sets(self.training, rng, config.batch).to(config.device)

    def embed(self, batch: SetBatch, config: TrainConfig) -> Embedding:
        """Embeddings, without gradients."""
        with torch.no_grad(), autocast(config):
            x = batch.release.magnitude.contiguous(memory_format=torch.channels_last)
            return self.encoder.to(config.device).embed(x)

    def loss(self, net: MemberHead, batch: SetBatch, config: TrainConfig) -> Tensor:
        return balanced_loss(*set_logits(net, self.embed(batch, config), batch))

    def validate(self, net: MemberHead, config: TrainConfig) -> dict[str, float]:
        if not self._held:
            for i in range(max(1, config.validation // self.validated)):
                rng = np.random.default_rng([config.seed, 1, i])
                batch = draw_sets(self.held_out, rng, self.validated).to(config.device)
                self._held.append((batch, self.embed(batch, config)))
        return mean_figures([figures(*set_logits(net, z, b)) for b, z in self._held])

    def describe(self, figures: Mapping[str, float]) -> str:
        return f"balanced memberships right {figures['accuracy']:.3f}, AUC {figures['auc']:.3f}"


def set_logits(net: MemberHead, z: Embedding, batch: SetBatch) -> tuple[Tensor, Tensor]:
    """Logits (N,) and truth (N,) of all encodings with all sets, exemplars left out."""
    facts, four = batch.release.facts, batch.exemplars
    related = net.relate(z, z, facts, facts)
    among = related[four[:, :, None], four[:, None, :]]  # (S, 4, 4, hidden + 1)
    to_exemplars = related[:, four]  # (B, S, 4, hidden + 1)
    logits = torch.stack([net.belongs(to_exemplars[:, k], among[k]) for k in range(len(four))], 1)
    return logits[batch.asked], batch.belongs[batch.asked]
