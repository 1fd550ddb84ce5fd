"""How likely each encoding belongs to each set of encodings (Carlini et al. 2021, 4.3.4).

A clique is dealt into groups of four, the network compares every encoding of the class with each group that it is not
in itself, and the log odds are averaged.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.pair_odds import facts_of, part_of
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.nn.membership import EXEMPLARS, MemberHead
from ihaudit.nn.similarity import Embedding, Facts

IntArray = NDArray[np.int64]
Floats = NDArray[np.float32]
#: entries up to which scores are a dense array
DENSE_SCORES = 50_000_000
#: groups of four that are drawn from a set, and encodings compared at once
DRAWS, BATCH = 8, 512


def exemplars_of(
    sets: int, cliques: IntArray | None, members: IntArray, mass: Floats, rng: np.random.Generator
) -> list[IntArray]:
    """Encodings int64 (m,) that stand for each set, shuffled: its clique, or else those that `members` names.

    Of members without a clique those with the largest coefficients are taken.

    Args:
        sets: their number R.
        cliques: int64 (R, n), -1 beyond a clique's end, or None.
        members: int64 (E, s); mass: float32 (E, s), what the labels say of each slot.
    """
    most = DRAWS * EXEMPLARS
    found = []
    for r in range(sets):
        if cliques is not None:
            chosen = np.unique(cliques[r][cliques[r] >= 0])
        else:
            rows, columns = np.nonzero(members == r)
            chosen = np.unique(rows[np.argsort(-mass[rows, columns], kind="stable")[:most]])
        found.append(rng.permutation(chosen)[:most])
    return found


def class_scores(
    head: MemberHead, z: Embedding, slots: Slots, nodes: tuple[IntArray, IntArray], sets: list[IntArray]
) -> Floats:
    """float32 (n, K) log odds of the nodes of one class with its sets; NaN-free, 0 for a set without exemplars."""
    rows, columns = nodes
    device = z[0].device
    facts = facts_of(slots, rows, columns, device, moved=False)
    column_of = np.zeros(len(slots.label), np.int64)
    column_of[rows] = columns
    index = torch.from_numpy(rows).to(device)

    def one(exemplars: IntArray) -> Floats:
        if len(exemplars) == 0:
            return np.zeros(len(rows), np.float32)
        if len(exemplars) < EXEMPLARS:
            exemplars = np.resize(exemplars, EXEMPLARS)
        groups = len(exemplars) // EXEMPLARS
        exemplars = exemplars[: groups * EXEMPLARS]
        theirs = facts_of(slots, exemplars, column_of[exemplars], device, moved=False)
        return _against(head, z, (index, facts), (torch.from_numpy(exemplars).to(device), theirs)).cpu().numpy()

    return np.stack(run_jobs(one, sets, device), 1)


def _against(
    head: MemberHead, z: Embedding, these: tuple[torch.Tensor, Facts], exemplars: tuple[torch.Tensor, Facts]
) -> torch.Tensor:
    """Mean log odds float32 (n,) over the groups of four that do not hold the encoding itself."""
    (index, facts), (four, their_facts) = these, exemplars
    groups = four.view(-1, EXEMPLARS)
    out = []
    with torch.inference_mode():
        b = part_of(z, four)
        related_own = head.relate(b, b, their_facts, their_facts)
        places = torch.arange(len(four), device=four.device).view(-1, EXEMPLARS)
        for start in range(0, len(index), BATCH):
            part = slice(start, start + BATCH)
            related = head.relate(part_of(z, index[part]), b, facts[part], their_facts)
            odds = torch.stack([head.belongs(related[:, p], related_own[p][:, p]) for p in places], 1)
            outside = ~(index[part, None, None] == groups[None]).any(2)
            outside |= ~outside.any(1, keepdim=True)
            out.append((odds * outside).sum(1) / outside.sum(1))
    return torch.cat(out)


def gather(blocks: list[tuple[IntArray, IntArray, Floats]], encodings: int, sets: int) -> Floats | csr_matrix:
    """Scores of encodings against sets from (rows, set ids, scores (rows, ids)) of each class.

    Returns:
        float32 (E, R), -inf where no class holds both; CSR of the same shape, absent there, beyond `DENSE_SCORES`
        entries.
    """
    if encodings * sets <= DENSE_SCORES:
        dense = np.full((encodings, sets), -np.inf, np.float32)
        for rows, ids, s in blocks:
            dense[np.ix_(rows, ids)] = s
        return dense
    row = np.concatenate([np.repeat(rows, len(ids)) for rows, ids, _ in blocks])
    column = np.concatenate([np.tile(ids, len(rows)) for rows, ids, _ in blocks])
    # an explicit zero would be dropped by some operations, and absent means forbidden
    value = np.concatenate([s.ravel() for _, _, s in blocks])
    return csr_matrix((np.where(value == 0, np.float32(1e-9), value), (row, column)), shape=(encodings, sets))
