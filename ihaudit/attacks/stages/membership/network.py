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
from numpy.typing import NDArray

from ihaudit.attacks.numerics.graph import nodes_of
from ihaudit.attacks.numerics.pair_odds import embed, require_shape
from ihaudit.attacks.numerics.set_scores import DRAWS, class_scores, exemplars_of, gather
from ihaudit.attacks.stages.membership.mean import membership_mean
from ihaudit.attacks.stages.state import Assigned, Grouped, Pairs, Scores, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from ihaudit.nn.shipped import load_membership, load_similarity
from ihaudit.nn.similarity import PairNet
from ihaudit.nn.weights import digests

IntArray = NDArray[np.int64]
Floats = NDArray[np.float32]


@stage("membership", "network")
def membership_network(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Fills `State.scores` by the membership network.

    Options: ``membership_weights`` and ``similarity_weights``, files of `ihaudit train` to use instead of the shipped.
    """
    observed, pairs = state.observed, state.find(Pairs)
    own = ctx.options.get("similarity_weights")
    encoder = load_similarity(Path(own) if own else None, ctx.device)
    require_shape(observed.shape, encoder)
    grouped = state.require(Grouped)
    if pairs is not None and pairs.augmentation != "none seen":
        found, diagnostics = membership_mean(state, ctx)
        return found, diagnostics | {"scores_from": f"mean log odds: images are {pairs.augmentation}"}
    path = ctx.options.get("membership_weights")
    head, trained_with = load_membership(Path(path) if path else None, ctx.device)
    fits = isinstance(encoder, PairNet) and head.config.products == encoder.head.first.in_features
    if not fits or (not own and not path and trained_with != shipped_encoder()):
        raise NotApplicable("the membership weights were trained with other similarity weights than those in use")
    z = None if pairs is None else pairs.embedding
    if z is None:
        z = embed(encoder, observed.values, progress=lambda f: ctx.progress("membership", 0.4 * f))
    members = state.require(Assigned).members
    sets = exemplars_of(grouped.unknowns, grouped.cliques, members, observed.slots.mass, ctx.rng("membership"))
    blocks: list[tuple[IntArray, IntArray, Floats]] = []
    for c, ids in enumerate(grouped.of_class):
        nodes = nodes_of(observed.slots, c)
        if len(ids) and len(nodes[0]):
            blocks.append((nodes[0], ids, class_scores(head, z, observed.slots, nodes, [sets[r] for r in ids])))
        ctx.progress("membership", 0.4 + 0.6 * (c + 1) / len(grouped.of_class))
    state = state.having(Scores(gather(blocks, len(observed.values), grouped.unknowns)))
    if pairs is not None:
        state = state.having(replace(pairs, embedding=None))
    used = [len(s) for s in sets]
    return state, {
        "exemplars_per_set": float(np.mean(used)) if used else 0.0,
        "draws": DRAWS,
        "above_even_odds": float(np.mean([(b[2] > 0).mean() for b in blocks])) if blocks else None,
    }


def shipped_encoder() -> str:
    """SHA-256 of the shipped similarity weights."""
    return digests().get("similarity.safetensors", "")
