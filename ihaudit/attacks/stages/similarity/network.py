"""`similarity=network`: log odds of every pair of slots of one class (Carlini et al. 2021, 4.3.1 and 4.3.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ihaudit.attacks.numerics.graph import ClassGraph, class_graph, nodes_of
from ihaudit.attacks.numerics.pair_odds import PairOdds, augmentation, embed, facts_of, require_shape, strongest_nodes
from ihaudit.attacks.stages.state import Features, Pairs, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from ihaudit.nn.shipped import load_similarity
from ihaudit.nn.similarity import PairNet
from ihaudit.nn.similarity_wrn import PairWrn

#: pairs that a Wide ResNet is asked for on a CPU (about 40 a second): beyond, hours
MAX_SLOW_PAIRS = 200_000


@stage("similarity", "network")
def similarity_network(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Log odds of every pair of slots of one class, by the similarity network (Carlini et al. 2021, 4.3.1).

    Options: ``similarity_weights``, a file of `ihaudit train similarity` to use instead of the shipped one.
    """
    observed = state.observed
    path = ctx.options.get("similarity_weights")
    net = load_similarity(Path(path) if path else None, ctx.device)
    require_shape(observed.shape, net)
    nodes = {c: strongest_nodes(observed.slots, *nodes_of(observed.slots, c)) for c in range(observed.slots.classes)}
    nodes = {c: n for c, n in nodes.items() if len(n[0]) > 1}
    pairs = sum(len(n[0]) * (len(n[0]) - 1) // 2 for n in nodes.values())
    if isinstance(net, PairWrn) and observed.values.device.type == "cpu" and pairs > MAX_SLOW_PAIRS:
        raise NotApplicable(
            f"a Wide ResNet on each of {pairs:,} pairs takes {pairs / 40 / 3600:.0f} hours on a CPU; "
            "use the shipped network or --device cuda"
        )
    z = embed(net, observed.values, progress=lambda f: ctx.progress("similarity", 0.4 * f))
    mirrored, moved, likelihood = augmentation(net, observed.values, observed.slots, z, nodes)
    other = embed(net, observed.values, mirrored=True) if mirrored else None
    graph, done = [], 0
    for c, (rows, columns) in nodes.items():
        facts = facts_of(observed.slots, rows, columns, observed.values.device, moved=moved)
        compare = PairOdds(net, z, other, rows, facts)
        graph.append(class_graph(c, rows, columns, compare.complete, compare.lines))
        done += len(rows) * (len(rows) - 1) // 2
        ctx.progress("similarity", 0.4 + 0.6 * done / max(1, pairs))
    changed = "mirrored and shifted" if moved else "mirrored" if mirrored else "none seen"
    diagnostics = {
        "pairs": pairs,
        "augmentation": changed,
        "log_likelihoods": likelihood,
        "pairs_above_even_odds": float(np.mean([_share_above(g) for g in graph])) if graph else None,
    }
    keep = z if isinstance(net, PairNet) and not mirrored else None
    return state.having(Pairs(graph, keep, changed)).without(Features), diagnostics


def _share_above(g: ClassGraph) -> float:
    lines = g.lines(np.arange(min(len(g), 500)))
    return float((lines > 0).mean())
