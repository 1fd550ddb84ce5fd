"""Split and merge moves: out of the local optima that annealing leaves where a class has many images.

With 200 images in a class one cluster in ten holds two images, and as many images lie in two clusters each.  Neither
is mended by EM, which moves one encoding at a time.  Both show: a cluster of two images gains by being split, two
clusters of one image lose nothing by being merged (Ueda et al. 2000, "SMEM algorithm for mixture models").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ihaudit.attacks.numerics.clusters import Clusters, Statistic, anneal, refine

#: rounds of moves at most, and full EM steps after each
ROUNDS, STEPS = 4, 5
#: clusters that are tried as one with each cluster
NEAREST = 2
#: share of the score that a round must gain for there to be another
WORTH = 5e-4
#: encodings of a cluster from which it may be split
FEWEST = 4


def mended(
    statistics: Sequence[Statistic], found: Clusters, *, generator: torch.Generator, balance: float = 1.0
) -> Clusters:
    """`found` after those moves that raise its score; the number of clusters stays.

    Args:
        statistics: of the n encodings that `found` is about.
        generator: CPU generator for the starts of splits.
        balance: see `anneal`.
    """
    if found.posterior.shape[1] < 3:
        return found
    for _ in range(ROUNDS):
        start = _moved(statistics, found, generator)
        if start is None:
            break
        trial = refine(statistics, *start, iterations=STEPS, balance=balance)
        gained = trial.score - found.score
        if gained <= 0:
            break
        found = trial
        if gained < WORTH * abs(found.score):
            break
    return found


def _moved(
    statistics: Sequence[Statistic], found: Clusters, generator: torch.Generator
) -> tuple[Tensor, Tensor] | None:
    """Responsibilities (n, K) and signs (n, K) after as many moves as are worth it, or None."""
    k = found.posterior.shape[1]
    label, polarity = found.posterior.argmax(1), found.polarity.clone()
    members = list(torch.argsort(label, stable=True).split(torch.bincount(label, minlength=k).tolist()))
    alone = [_one(statistics, m, polarity[m]) for m in members]
    # what is lost by giving a cluster up: nothing where it is empty, little where another holds the same image
    freed = [(0.0, c, c, 1.0) for c in range(k) if not len(members[c])]
    for i, j, turned in _nearest(statistics, members, polarity):
        both = torch.cat([members[i], members[j]])
        sign = torch.cat([polarity[members[i]], turned * polarity[members[j]]])
        freed.append((alone[i] + alone[j] - _one(statistics, both, sign), i, j, turned))
    freed.sort()
    splits = []
    usual = len(label) / k
    for c in range(k):
        if len(members[c]) < FEWEST:
            continue
        # annealing may leave one cluster without an image of its own that holds dozens
        parts = _split(statistics, members[c], max(2, round(len(members[c]) / usual)), generator)
        splits.append(((parts.score - alone[c]) / (parts.posterior.shape[1] - 1), c, parts))
    splits.sort(key=lambda s: -s[0])
    used: set[int] = set()
    moves = 0
    for gain, c, parts in splits:
        if c in used:
            continue
        pay: list[tuple[float, int, int, float]] = []
        taken = used | {c}
        for loss, i, j, turned in freed:
            if len(pay) == parts.posterior.shape[1] - 1 or loss >= gain:
                break
            if i not in taken and j not in taken:
                pay.append((loss, i, j, turned))
                taken |= {i, j}
        if not pay:
            continue
        if len(pay) < parts.posterior.shape[1] - 1:
            parts = _split(statistics, members[c], len(pay) + 1, generator)
            if parts.score - alone[c] <= sum(p[0] for p in pay):
                continue
        used = taken
        polarity[members[c]] = parts.polarity
        which = parts.posterior.argmax(1)
        for n, (_, i, j, turned) in enumerate(pay):
            label[members[j]] = i
            polarity[members[j]] *= turned
            label[members[c][which == n + 1]] = j
        moves += len(pay)
    if not moves:
        return None
    q = torch.nn.functional.one_hot(label, k).to(found.posterior.dtype)
    return q, polarity[:, None].expand(-1, k)


def _split(statistics: Sequence[Statistic], rows: Tensor, parts: int, generator: torch.Generator) -> Clusters:
    some = [s.some(rows) for s in statistics]
    restarts, iterations = (2, 20) if parts == 2 else (3, 60)
    return anneal(some, parts, generator=generator, restarts=restarts, iterations=iterations, balance=0.5)


def _one(statistics: Sequence[Statistic], rows: Tensor, polarity: Tensor) -> float:
    """Score of some encodings as one cluster."""
    if not len(rows):
        return 0.0
    ones = torch.ones(len(rows), 1, device=rows.device)
    return refine([s.some(rows) for s in statistics], ones, polarity[:, None], iterations=2, balance=0.0).score


def _nearest(
    statistics: Sequence[Statistic], members: Sequence[Tensor], polarity: Tensor
) -> list[tuple[int, int, float]]:
    """Pairs of clusters whose means differ least, and whether one of them is to be turned (-1) or not (1)."""
    k = len(members)
    loss = torch.zeros(2, k, k, device=polarity.device)
    for s in statistics:
        votes = s.weight * s.scale * (polarity if s.signed else 1.0)
        precision = torch.stack([(s.weight[m] * s.scale[m] ** 2).sum() for m in members]).clamp_min(1e-6)
        means = torch.stack([votes[m] @ s.features[m].float() for m in members]) / precision[:, None]
        dots, energy = means @ means.T, (means**2).sum(1)
        common = s.temper * precision[:, None] * precision[None] / (precision[:, None] + precision[None]) / 2
        for n, turn in enumerate((1.0, -1.0)):
            loss[n] += common * (energy[:, None] + energy[None] - 2 * (turn if s.signed else 1.0) * dots)
    best, which = loss.min(0)
    best.fill_diagonal_(torch.inf)
    empty = torch.tensor([len(m) == 0 for m in members], device=best.device)
    best[empty] = torch.inf
    best[:, empty] = torch.inf
    near = best.topk(min(NEAREST, k - 1), dim=1, largest=False).indices
    pairs = {(min(i, j), max(i, j)) for i, row in enumerate(near.tolist()) for j in row}
    return [(i, j, 1.0 - 2.0 * int(which[i, j])) for i, j in sorted(pairs) if not empty[i] and not empty[j]]
