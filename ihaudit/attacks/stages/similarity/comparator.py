"""`similarity=comparator`: log odds by the comparative network, for images that were moved (Luo et al., AAAI 2022)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ihaudit.attacks.numerics.graph import class_graph, nodes_of
from ihaudit.attacks.numerics.pair_odds import PairOdds, embed, facts_of, require_shape, strongest_nodes
from ihaudit.attacks.stages.state import Features, Pairs, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.nn.shipped import load_comparator


@stage("similarity", "comparator")
def similarity_comparator(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Log odds of every pair of slots of one class, by the comparative network.

    Options: ``comparator_weights``, a file of `ihaudit train comparator` to use instead of the shipped one.
    """
    observed = state.observed
    path = ctx.options.get("comparator_weights")
    net = load_comparator(Path(path) if path else None, ctx.device)
    require_shape(observed.shape, net)
    z = embed(net, observed.values, progress=lambda f: ctx.progress("similarity", 0.6 * f))
    graph, pairs = [], 0
    for c in range(observed.slots.classes):
        rows, columns = strongest_nodes(observed.slots, *nodes_of(observed.slots, c))
        if len(rows) < 2:
            continue
        facts = facts_of(observed.slots, rows, columns, observed.values.device, moved=True)
        compare = PairOdds(net, z, None, rows, facts)
        graph.append(class_graph(c, rows, columns, compare.complete, compare.lines))
        pairs += len(rows) * (len(rows) - 1) // 2
        ctx.progress("similarity", 0.6 + 0.4 * (c + 1) / observed.slots.classes)
    found = Pairs(graph, None, "perhaps moved, which the comparative network does not mind")
    return state.having(found).without(Features), {"pairs": pairs}
