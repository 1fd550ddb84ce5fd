"""Grouping of all encodings: numbers of images, and the clusters of every class put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.clusters import Clusters, Statistic, anneal, extend
from ihaudit.attacks.numerics.labels import IntArray, Slots
from ihaudit.attacks.numerics.parallel import run_jobs, single_threaded
from ihaudit.attacks.numerics.scratch import taken
from ihaudit.attacks.numerics.sizes import Sizes, infer_sizes
from ihaudit.attacks.numerics.split_merge import mended


@dataclass(frozen=True, eq=False)
class Grouping:
    """members int64 (E, s), -1 where undecided; of_class: cluster ids of each class; sizes; scores of the classes."""

    members: IntArray
    of_class: list[IntArray]
    sizes: Sizes
    scores: list[float]


@dataclass(frozen=True)
class Effort:
    """How much is spent on a class.

    Attributes:
        strong: slots per image whose clusters are found by annealing; the weaker ones join them afterwards.
        most: slots that are annealed at most.
        trial: slots on which numbers of images are tried, always the same ones; a third of a class where that is
            more and label counts do not say which numbers there can be.
        many: slots x images from which on one annealing replaces three.
    """

    strong: int
    most: int
    trial: int
    many: int


#: squares alone lose the weaker slots, so all take part; with unmasked mixtures a few strong ones settle the rest
THOROUGH = Effort(strong=6000, most=6000, trial=6000, many=10**9)
SPARING = Effort(strong=20, most=10**9, trial=1500, many=100_000)
#: slots of a class that are annealed at least, where there are as many
FEWEST = 300
#: images of a class from which annealing leaves some two in one cluster
CROWDED = 24


#: bytes of an encoding with an image of its class while these are grouped, and of all classes that are at once
PER_PAIR, ROOM = 20, 4 << 30


@dataclass(frozen=True, eq=False)
class ClassBlock:
    """What the clusters of one class are found from, by itself: another process, or machine, can do it.

    Attributes:
        every: statistics of all slots of the class; strong: int64, those of them that are annealed.
        images: how many there are, at least 1.
        seed: of this class.
        restarts: annealings, of which the best counts.
        exact: images are equally frequent.
    """

    every: list[Statistic]
    strong: IntArray
    images: int
    seed: int
    restarts: int
    exact: bool

    @property
    def all_strong(self) -> bool:
        """There are no others."""
        return len(self.strong) == len(self.every[0].weight)


@dataclass(frozen=True, eq=False)
class Labelled:
    """What is kept of the clusters of a class: a posterior grows with the encodings times the images.

    Attributes:
        label: int64 (n,), the likeliest cluster of every encoding; polarity and score: see `Clusters`.
    """

    label: IntArray
    polarity: Tensor
    score: float

    @classmethod
    def of(cls, found: Clusters) -> Labelled:
        """The likeliest clusters."""
        return cls(found.posterior.argmax(1).cpu().numpy(), found.polarity, found.score)


def clustered(block: ClassBlock) -> Clusters:
    """The clusters of a class: the same wherever it is done."""
    strong = torch.from_numpy(block.strong).to(block.every[0].weight.device)
    part = block.every if block.all_strong else [s.some(strong) for s in block.every]
    found = anneal(
        part,
        block.images,
        generator=torch.Generator().manual_seed(block.seed),
        restarts=block.restarts,
        iterations=80,
        # the strongest slots of equally frequent images are roughly equally many too
        balance=1.0 if block.exact else 0.5,
    )
    if block.images >= CROWDED:
        found = mended(part, found, generator=torch.Generator().manual_seed(block.seed), balance=1.0)
    del part
    return found if block.all_strong else extend(block.every, strong, found, balance=1.0 if block.exact else 0.5)


def clustered_alone(block: ClassBlock) -> Labelled:
    """`clustered`, with a process to itself: tensor operations on one thread, as beside other classes."""
    with single_threaded():
        return Labelled.of(clustered(block))


#: Maps `clustered_alone` over the blocks of all classes, somewhere else.
Elsewhere = Callable[[Callable[[ClassBlock], Labelled], Sequence[ClassBlock]], list[Labelled]]


def group(
    statistics: Sequence[Statistic],
    slots: Slots,
    *,
    seed: int,
    effort: Effort,
    n_private: int | None = None,
    progress: Callable[[str, float | None], None] | None = None,
    elsewhere: Elsewhere | None = None,
) -> tuple[Grouping, Tensor]:
    """Clusters of every class, and the expected global sign of every encoding.

    Args:
        statistics: of all E encodings; `scale` (E, s) for every slot.
        slots: what the labels say.
        n_private: a publicly stated number of private images.
        elsewhere: where the classes are grouped; None for threads of this process, which hold few classes at a time.

    Returns:
        The grouping (members -1 where two images share a label), and float32 (E,).
    """
    device = statistics[0].weight.device
    alone = ~slots.shared
    usable = alone if bool(alone.sum() > 0.3 * len(alone)) else np.ones(len(alone), bool)
    tried: dict[int, list[Statistic]] = {}

    def rows_of(c: int) -> tuple[IntArray, IntArray]:
        rows, columns = np.nonzero((slots.label == c) & usable[:, None])
        if slots.count == 2 and len(rows) and bool(slots.shared[rows].all()):  # both slots are the same point
            rows, columns = rows[columns == 0], columns[columns == 0]
        return rows, columns

    def of(rows: IntArray, columns: IntArray) -> list[Statistic]:
        index, column = torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device)
        return [
            replace(s, features=taken(s.features, index), weight=s.weight[index], scale=s.scale[index, column])
            for s in statistics
        ]

    def strongest(c: int, most: int) -> tuple[IntArray, IntArray, NDArray[np.int64]]:
        """Rows and columns of all slots of a class, and which of them are the strongest."""
        rows, columns = rows_of(c)
        keep = np.argsort(-slots.mass[rows, columns], kind="stable")[:most]
        return rows, columns, np.sort(keep)

    def trial(c: int, k: int, exact: bool) -> float:
        # 1,500 slots of a class of 500 images are three of each, and 89 images came out
        most = effort.trial if exact else max(effort.trial, int(slots.totals()[c]) // 3)
        rows, columns, keep = strongest(c, most)
        if c not in tried:
            tried[c] = of(rows[keep], columns[keep])
        generator = torch.Generator().manual_seed(seed * 1000 + c)
        balance = 1.0 if exact and len(keep) == len(rows) else 0.5
        return anneal(tried[c], k, generator=generator, restarts=1, iterations=50, balance=balance).score

    with single_threaded():  # EM on small matrices: barriers would dominate
        sizes = infer_sizes(slots, trial, n_private=n_private)
    tried.clear()
    first = np.concatenate([[0], np.cumsum(sizes.per_class)])
    members = np.full(slots.label.shape, -1, dtype=np.int64)
    tilt = torch.zeros(len(members), device=device)
    scores = []
    done = 0

    def block(c: int) -> tuple[ClassBlock, IntArray, IntArray] | None:
        k = int(sizes.per_class[c])
        rows, columns, keep = strongest(c, min(effort.most, max(effort.strong * k, FEWEST)))
        if not k or not len(rows):
            return None
        restarts = 3 if len(keep) * k < effort.many else 1
        return ClassBlock(of(rows, columns), keep, k, seed * 1000 + c, restarts, sizes.exact), rows, columns

    def one(c: int) -> tuple[Labelled, IntArray, IntArray] | None:
        nonlocal done
        made = block(c)
        found = None if made is None else (Labelled.of(clustered(made[0])), *made[1:])
        done += 1
        if progress is not None:
            progress("grouping", done / slots.classes)
        return found

    def held(c: int) -> int:
        """Bytes of a class while it is grouped: its statistics, and every encoding with every image."""
        n = len(rows_of(c)[0])
        return n * (
            sum(s.features.shape[1] * s.features.itemsize for s in statistics) + PER_PAIR * int(sizes.per_class[c])
        )

    def sent(to: Elsewhere) -> list[tuple[Labelled, IntArray, IntArray] | None]:
        blocks = [block(c) for c in range(slots.classes)]
        answers = iter(to(clustered_alone, [made[0] for made in blocks if made is not None]))
        return [None if made is None else (next(answers), *made[1:]) for made in blocks]

    at_once = max(1, ROOM // max([1, *map(held, range(slots.classes))]))
    for c, found in enumerate(
        sent(elsewhere) if elsewhere else run_jobs(one, list(range(slots.classes)), device, at_once=at_once)
    ):
        if found is None:
            continue
        clusters, rows, columns = found
        members[rows, columns] = first[c] + clusters.label
        scores.append(clusters.score)
        # both slots of an encoding have a say in its sign
        odds = torch.atanh(clusters.polarity.clamp(-0.9999, 0.9999))
        tilt.index_add_(0, torch.from_numpy(rows).to(device), odds)
    of_class = [np.arange(first[c], first[c + 1], dtype=np.int64) for c in range(slots.classes)]
    return Grouping(members, of_class, sizes, scores), torch.tanh(tilt)
