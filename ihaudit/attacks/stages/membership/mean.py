"""`membership=mean`: the mean similarity with the members of a clique, the paper's simplest strategy (4.3.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.cliques import mean_affinity
from ihaudit.attacks.numerics.set_scores import exemplars_of, gather
from ihaudit.attacks.stages.state import Assigned, Grouped, Pairs, Scores, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable

IntArray = NDArray[np.int64]
Floats = NDArray[np.float32]


@stage("membership", "mean")
def membership_mean(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Mean similarity of each encoding with the clique of each set: the paper's "simplest strategy" (4.3.4)."""
    grouped, pairs = state.require(Grouped), state.find(Pairs)
    if pairs is None:
        raise NotApplicable("there is no similarity graph to average; use membership=network or none")
    sets = exemplars_of(
        grouped.unknowns,
        grouped.cliques,
        state.require(Assigned).members,
        state.observed.slots.mass,
        ctx.rng("membership"),
    )
    by_class = {g.label: g for g in pairs.graph}
    blocks: list[tuple[IntArray, IntArray, Floats]] = []
    for c, ids in enumerate(grouped.of_class):
        g = by_class.get(c)
        if g is None or len(ids) == 0:
            continue
        indicator = np.stack([np.isin(g.rows, sets[r]) for r in ids], 1).astype(np.float32)
        blocks.append((g.rows, ids, mean_affinity(g, indicator)))
    scores = gather(blocks, len(state.observed.values), grouped.unknowns)
    return state.having(Scores(scores), replace(pairs, embedding=None)), {}
