"""`grouping=cliques`: greedy cliques of the similarity graph and k-means over them (Carlini et al. 2021, 4.3.3)."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.numerics.cliques import cover
from ihaudit.attacks.numerics.squares_graph import squares_graph
from ihaudit.attacks.stages.state import Features, Pairs, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable


@stage("grouping", "cliques")
def grouping_cliques(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Greedy cliques and k-means over them (Carlini et al. 2021, 4.3.3), per class."""
    observed, pairs = state.observed, state.find(Pairs)
    if pairs is None:
        features = state.find(Features)
        if features is None:
            raise NotApplicable("there is no similarity to find cliques in")
        pairs = Pairs(squares_graph(features.rows, features.weight, observed.slots, linear=observed.mask == "signed"))
    found = cover(pairs.graph, observed.slots, seed=ctx.seed % 2**31, n_private=observed.n_private)
    ctx.progress("grouping", 1.0)
    return state.having(pairs).grouped(found.grouping, found.cliques), found.grouping.sizes.facts | {
        "clique_size": found.size,
        "set_spread": found.spread,
        "cohesion": found.cohesion,
    }
