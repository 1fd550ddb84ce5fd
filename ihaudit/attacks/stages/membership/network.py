"""The second network as a stage: how likely each encoding belongs to each set, from four exemplars at a time.

Carlini et al. 2021, 4.3.4.  A clique is dealt into groups of four, the network compares every encoding of the class
with each group that it is not in itself, and the log odds are averaged.  `membership=mean` is the paper's simplest
strategy, the mean similarity with the members of a clique; it is also what the network falls back on where images are
mirrored at random, since exemplars then disagree on left and right.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ihaudit.attacks.numerics.cliques import mean_affinity
from ihaudit.attacks.numerics.graph import nodes_of
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.stages.similarity.network import embed, facts_of, part_of, require_shape
from ihaudit.attacks.stages.state import DENSE_SCORES, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from ihaudit.nn.membership import EXEMPLARS, MemberHead
from ihaudit.nn.pair_weights import load_membership, load_similarity
from ihaudit.nn.similarity import Embedding, Facts, PairNet
from ihaudit.nn.weights import digests

IntArray = NDArray[np.int64]
Floats = NDArray[np.float32]

#: groups of four that are drawn from a set, and encodings compared at once
DRAWS, BATCH = 8, 512


@stage("membership", "network")
def membership_network(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Fills `State.scores` by the membership network.

    Options: ``membership_weights`` and ``similarity_weights``, files of `ihaudit train` to use instead of the shipped.
    """
    own = ctx.options.get("similarity_weights")
    encoder = load_similarity(Path(own) if own else None, ctx.device)
    require_shape(state, encoder)
    assert state.grouping is not None
    seen = [r.diagnostics.get("augmentation") for r in state.records if r.name == "similarity"]
    if state.graph is not None and seen and seen[-1] not in (None, "none seen"):
        found, diagnostics = membership_mean(state, ctx)
        return found, diagnostics | {"scores_from": f"mean log odds: images are {seen[-1]}"}
    path = ctx.options.get("membership_weights")
    head, trained_with = load_membership(Path(path) if path else None, ctx.device)
    fits = isinstance(encoder, PairNet) and head.config.products == encoder.head.first.in_features
    if not fits or (not own and not path and trained_with != shipped_encoder()):
        raise NotApplicable("the membership weights were trained with other similarity weights than those in use")
    z = state.embedding
    if z is None:
        z = embed(encoder, state.values, progress=lambda f: ctx.progress("membership", 0.4 * f))
    rng = ctx.rng("membership")
    sets = exemplars_of(state, rng)
    blocks: list[tuple[IntArray, IntArray, Floats]] = []
    for c, ids in enumerate(state.grouping.of_class):
        rows, columns = nodes_of(state.slots, c)
        if len(ids) and len(rows):
            blocks.append((rows, ids, _class_scores(head, z, state, (rows, columns), [sets[r] for r in ids], c)))
        ctx.progress("membership", 0.4 + 0.6 * (c + 1) / len(state.grouping.of_class))
    scores = gather(blocks, len(state.values), state.unknowns)
    used = [len(sets[r]) for r in range(state.unknowns)]
    return replace(state, scores=scores, embedding=None), {
        "exemplars_per_set": float(np.mean(used)) if used else 0.0,
        "draws": DRAWS,
        "above_even_odds": float(np.mean([(b[2] > 0).mean() for b in blocks])) if blocks else None,
    }


@stage("membership", "mean")
def membership_mean(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Mean similarity of each encoding with the clique of each set: the paper's "simplest strategy" (4.3.4)."""
    assert state.grouping is not None
    if state.graph is None:
        raise NotApplicable("there is no similarity graph to average; use membership=network or none")
    sets = exemplars_of(state, ctx.rng("membership"))
    by_class = {g.label: g for g in state.graph}
    blocks: list[tuple[IntArray, IntArray, Floats]] = []
    for c, ids in enumerate(state.grouping.of_class):
        g = by_class.get(c)
        if g is None or len(ids) == 0:
            continue
        inside = np.stack([np.isin(g.rows, sets[r]) for r in ids], 1).astype(np.float32)
        blocks.append((g.rows, ids, mean_affinity(g, inside)))
    return replace(state, scores=gather(blocks, len(state.values), state.unknowns), embedding=None), {}


def shipped_encoder() -> str:
    """SHA-256 of the shipped similarity weights."""
    return digests().get("similarity.safetensors", "")


def exemplars_of(state: State, rng: np.random.Generator) -> list[IntArray]:
    """Encodings int64 (m,) that stand for each set, shuffled: its clique, or else those that `members` names.

    Of members without a clique those with the largest coefficients are taken.
    """
    assert state.grouping is not None and state.members is not None
    most = DRAWS * EXEMPLARS
    found = []
    for r in range(state.unknowns):
        if state.cliques is not None:
            chosen = np.unique(state.cliques[r][state.cliques[r] >= 0])
        else:
            rows, columns = np.nonzero(state.members == r)
            chosen = np.unique(rows[np.argsort(-state.slots.mass[rows, columns], kind="stable")[:most]])
        found.append(rng.permutation(chosen)[:most])
    return found


def _class_scores(
    head: MemberHead, z: Embedding, state: State, nodes: tuple[IntArray, IntArray], sets: list[IntArray], label: int
) -> Floats:
    """float32 (n, K) log odds of the nodes of one class with its sets; NaN-free, 0 for a set without exemplars."""
    rows, columns = nodes
    device = state.values.device
    facts = facts_of(state.slots, rows, columns, device, moved=False)
    column_of = np.zeros(len(state.values), np.int64)
    column_of[rows] = columns
    index = torch.from_numpy(rows).to(device)

    def one(exemplars: IntArray) -> Floats:
        if len(exemplars) == 0:
            return np.zeros(len(rows), np.float32)
        if len(exemplars) < EXEMPLARS:
            exemplars = np.resize(exemplars, EXEMPLARS)
        groups = len(exemplars) // EXEMPLARS
        exemplars = exemplars[: groups * EXEMPLARS]
        theirs = facts_of(state.slots, exemplars, column_of[exemplars], device, moved=False)
        return _against(head, z, (index, facts), (torch.from_numpy(exemplars).to(device), theirs)).cpu().numpy()

    return np.stack(run_jobs(one, sets, device), 1)


def _against(
    head: MemberHead, z: Embedding, these: tuple[torch.Tensor, Facts], exemplars: tuple[torch.Tensor, Facts]
) -> torch.Tensor:
    """Mean log odds float32 (n,) over the groups of four that do not hold the encoding itself."""
    (index, facts), (four, told) = these, exemplars
    groups = four.view(-1, EXEMPLARS)
    out = []
    with torch.inference_mode():
        b = part_of(z, four)
        inside = head.relate(b, b, told, told)
        places = torch.arange(len(four), device=four.device).view(-1, EXEMPLARS)
        for start in range(0, len(index), BATCH):
            part = slice(start, start + BATCH)
            related = head.relate(part_of(z, index[part]), b, facts[part], told)
            odds = torch.stack([head.belongs(related[:, p], inside[p][:, p]) for p in places], 1)
            outside = ~(index[part, None, None] == groups[None]).any(2)
            outside |= ~outside.any(1, keepdim=True)
            out.append((odds * outside).sum(1) / outside.sum(1))
    return torch.cat(out)


def gather(blocks: list[tuple[IntArray, IntArray, Floats]], encodings: int, sets: int) -> Floats | csr_matrix:
    """`State.scores` from (rows, set ids, scores (rows, ids)) of each class."""
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
