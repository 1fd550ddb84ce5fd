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
        trial: slots on which numbers of images are tried, always the same ones.
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


def group(
    statistics: Sequence[Statistic],
    slots: Slots,
    *,
    seed: int,
    effort: Effort,
    n_private: int | None = None,
    progress: Callable[[str, float | None], None] | None = None,
) -> tuple[Grouping, Tensor]:
    """Clusters of every class, and the expected global sign of every encoding.

    Args:
        statistics: of all E encodings; `scale` (E, s) for every slot.
        slots: what the labels say.
        n_private: a publicly stated number of private images.

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
            replace(s, features=s.features[index].float(), weight=s.weight[index], scale=s.scale[index, column])
            for s in statistics
        ]

    def strongest(c: int, most: int) -> tuple[IntArray, IntArray, NDArray[np.int64]]:
        """Rows and columns of all slots of a class, and which of them are the strongest."""
        rows, columns = rows_of(c)
        keep = np.argsort(-slots.mass[rows, columns], kind="stable")[:most]
        return rows, columns, np.sort(keep)

    def annealed(c: int, part: list[Statistic], k: int, whole: bool, restarts: int, steps: int) -> Clusters:
        return anneal(
            part,
            k,
            generator=torch.Generator().manual_seed(seed * 1000 + c),
            restarts=restarts if len(part[0].weight) * k < effort.many else 1,
            iterations=steps,
            # the strongest slots of equally frequent images are roughly equally many too
            balance=1.0 if whole else 0.5,
        )

    def trial(c: int, k: int, exact: bool) -> float:
        rows, columns, keep = strongest(c, effort.trial)
        if c not in tried:
            tried[c] = of(rows[keep], columns[keep])
        return annealed(c, tried[c], k, exact and len(keep) == len(rows), 1, 50).score

    with single_threaded():  # EM on small matrices: barriers would dominate
        sizes = infer_sizes(slots, trial, n_private=n_private)
    tried.clear()
    first = np.concatenate([[0], np.cumsum(sizes.per_class)])
    members = np.full(slots.label.shape, -1, dtype=np.int64)
    tilt = torch.zeros(len(members), device=device)
    scores = []
    done = 0

    def one(c: int) -> tuple[Clusters, IntArray, IntArray] | None:
        nonlocal done
        k = int(sizes.per_class[c])
        rows, columns, keep = strongest(c, min(effort.most, max(effort.strong * k, FEWEST)))
        found = None
        if k and len(rows):
            part = of(rows[keep], columns[keep])
            found = annealed(c, part, k, sizes.exact, 3, 80)
            if k >= CROWDED:
                found = mended(part, found, generator=torch.Generator().manual_seed(seed * 1000 + c), balance=1.0)
            del part
            if len(keep) < len(rows):
                strong = torch.from_numpy(keep).to(device)
                found = extend(of(rows, columns), strong, found, balance=1.0 if sizes.exact else 0.5)
        done += 1
        if progress is not None:
            progress("grouping", done / slots.classes)
        return None if found is None else (found, rows, columns)

    for c, found in enumerate(run_jobs(one, list(range(slots.classes)), device)):
        if found is None:
            continue
        clusters, rows, columns = found
        members[rows, columns] = first[c] + clusters.posterior.argmax(1).cpu().numpy()
        scores.append(clusters.score)
        # both slots of an encoding have a say in its sign
        odds = torch.atanh(clusters.polarity.clamp(-0.9999, 0.9999))
        tilt.index_add_(0, torch.from_numpy(rows).to(device), odds)
    of_class = [np.arange(first[c], first[c + 1], dtype=np.int64) for c in range(slots.classes)]
    return Grouping(members, of_class, sizes, scores), torch.tanh(tilt)
