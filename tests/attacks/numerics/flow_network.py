"""The paper's network (Carlini et al. 2021, 4.4) in networkx: the slow oracle of `ihaudit.attacks.numerics.flow`."""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.flow import Capacity, Floats, Ints

#: costs are rounded to this: the network simplex wants integers
SCALE = 1_000_000


def flow_graph(gain: Floats, supply: Ints, capacity: Capacity) -> nx.DiGraph:
    """The paper's graph with integer costs, as networkx takes it.

    Args:
        gain: float (E, R), what joining encoding e with set r is worth; -inf where it is forbidden.
        supply: int (E,), sets per encoding (2).
        capacity: of the sets.

    Returns:
        Nodes ``("encoding", e)`` (demand supply[e]), ``("set", r)`` and ``source``; edge attributes ``capacity`` and
        ``weight`` (cost times `SCALE`).  Parallel slack arcs are nodes of their own, one unit each.
    """
    graph = nx.DiGraph()
    graph.add_node("source", demand=-int(supply.sum()))
    target = np.round(capacity.target).astype(int)
    for e, places in enumerate(supply):
        graph.add_node(("encoding", e), demand=int(places))
    for r, units in enumerate(target):
        # a unit that is missing below the target costs something, so each one that is there is rebated as much: the
        # dearest first, which keeps costs rising along the arcs
        rebates = [-float(c) for c in reversed(capacity.slack[: int(units)])]
        first = rebates[0] if rebates else 0.0
        graph.add_edge("source", ("set", r), capacity=int(units) - len(rebates), weight=round(first * SCALE))
        beyond = [float(c) for c in capacity.slack]
        for j, cost in enumerate(rebates + beyond):
            last = bool(beyond) and j == len(rebates) + len(beyond) - 1
            graph.add_edge("source", ("unit", r, j), capacity=len(supply) if last else 1, weight=round(cost * SCALE))
            graph.add_edge(("unit", r, j), ("set", r), capacity=len(supply) if last else 1, weight=0)
    for e, r in zip(*np.nonzero(np.isfinite(gain)), strict=True):
        graph.add_edge(("set", int(r)), ("encoding", int(e)), capacity=1, weight=round(-float(gain[e, r]) * SCALE))
    return graph


def solve_networkx(gain: Floats, supply: Ints, capacity: Capacity) -> NDArray[np.bool_]:
    """The optimum by networkx's network simplex, bool (E, R); for small problems.

    Raises:
        networkx.NetworkXUnfeasible: the capacities do not fit the supply.
    """
    _, flow = nx.network_simplex(flow_graph(gain, supply, capacity))
    chosen = np.zeros(gain.shape, dtype=bool)
    for r in range(gain.shape[1]):
        for node, units in flow.get(("set", r), {}).items():
            chosen[node[1], r] = units > 0
    return chosen
