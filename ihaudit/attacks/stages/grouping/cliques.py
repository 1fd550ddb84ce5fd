"""`grouping=cliques`: greedy cliques of the similarity graph and k-means over them (Carlini et al. 2021, 4.3.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ihaudit.attacks.numerics.cliques import cover
from ihaudit.attacks.numerics.squares_graph import squares_graph
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable


@stage("grouping", "cliques")
def grouping_cliques(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Greedy cliques and k-means over them (Carlini et al. 2021, 4.3.3), per class."""
    graph = state.graph
    if graph is None:
        if state.features is None or state.weight is None:
            raise NotApplicable("there is no similarity to find cliques in")
        graph = squares_graph(state.features, state.weight, state.slots, linear=state.mask == "signed")
    found = cover(graph, state.slots, seed=ctx.seed % 2**31, n_private=state.n_private)
    ctx.progress("grouping", 1.0)
    grouping, sizes = found.grouping, found.grouping.sizes
    diagnostics = {
        "images": int(sizes.per_class.sum()),
        "per_class": sizes.per_class.tolist(),
        "encodings_per_image": sizes.multiplicity,
        "sizes_from": sizes.source,
        "equal_sizes": sizes.exact,
        "clique_size": found.size,
        "set_spread": found.spread,
        "cohesion": found.cohesion,
    }
    return replace(
        state,
        graph=graph,
        grouping=grouping,
        members=grouping.members,
        cliques=found.cliques,
        features=None,
        weight=None,
    ), diagnostics
