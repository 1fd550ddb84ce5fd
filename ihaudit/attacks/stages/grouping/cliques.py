"""Stage `grouping=cliques`: as many cliques of the similarity graph as there are images (`numerics.cliques`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ihaudit.attacks.numerics.cliques import (
    LARGEST,
    Cliques,
    Floats,
    clique_size,
    find_cliques,
    grow,
    merged,
    same_image,
    starts_of,
)
from ihaudit.attacks.numerics.graph import ClassGraph
from ihaudit.attacks.numerics.group import Grouping
from ihaudit.attacks.numerics.grouping import sinkhorn
from ihaudit.attacks.numerics.labels import IntArray
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.sizes import Sizes, infer_sizes
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
    by_class = {g.label: g for g in graph}
    seed = ctx.seed % 2**31
    grown: dict[int, IntArray] = {}

    def sets_of(c: int, size: int) -> IntArray:
        # greedy sets are nested, so the largest serves all sizes
        if c not in grown or grown[c].shape[1] < size:
            grown[c] = grow(by_class[c], starts_of(len(by_class[c])), size)
        return grown[c]

    def trial(c: int, k: int, exact: bool) -> float:
        """How many of k sets are of different images: rises with k up to the number of images and no further."""
        g = by_class.get(c)
        if g is None or len(g) < 2 or k < 2:
            return float(k)
        size = min(clique_size(len(g) / k), len(g))
        rng = np.random.default_rng([seed, c, k])
        found = find_cliques(g, k, size, rng, sets_of(c, max(size, LARGEST // 2)), restarts=2)
        return float(same_image(found).max() + 1)

    sizes = infer_sizes(state.slots, trial, n_private=state.n_private)
    size = clique_size(sizes.multiplicity)
    jobs = [c for c in range(state.slots.classes) if sizes.per_class[c] and c in by_class and len(by_class[c])]

    def find(c: int) -> Cliques:
        g, k = by_class[c], int(sizes.per_class[c])
        short = min(size, len(g))
        before = grown[c] if c in grown and grown[c].shape[1] >= short else grow(g, starts_of(len(g)), short)
        rng = np.random.default_rng([seed, c])
        found = find_cliques(g, k, size, rng, before)
        if same_image(found).max() + 1 == k:
            return found
        return merged(find_cliques(g, 2 * k, size, rng, before), k)

    found = dict(zip(jobs, run_jobs(find, jobs)))
    ctx.progress("grouping", 1.0)
    grouping, cliques = _gather(state, by_class, found, sizes, size)
    spread = [f.spread for f in found.values()]
    diagnostics = {
        "images": int(sizes.per_class.sum()),
        "per_class": sizes.per_class.tolist(),
        "encodings_per_image": sizes.multiplicity,
        "sizes_from": sizes.source,
        "equal_sizes": sizes.exact,
        "clique_size": size,
        "set_spread": float(np.mean(spread)) if spread else None,
        "cohesion": float(np.mean([_cohesion(f) for f in found.values()])) if found else None,
    }
    return replace(
        state, graph=graph, grouping=grouping, members=grouping.members, cliques=cliques, features=None, weight=None
    ), diagnostics


def _cohesion(found: Cliques) -> float:
    """Mean log odds inside the sets, less that of all nodes with all sets."""
    own = [found.affinity[nodes, k].mean() for k, nodes in enumerate(found.sets)]
    return float(np.mean(own) - found.affinity.mean())


def _placed(affinity: Floats, exact: bool) -> IntArray:
    """Set of every node: the nearest, sets being equally full where `exact`."""
    if affinity.shape[1] == 1:
        return np.zeros(len(affinity), np.int64)
    spread = max(float(affinity.std()), 1e-6)
    balanced = sinkhorn(torch.from_numpy(3 * affinity / spread), 1.0 if exact else 0.5, rounds=30)
    return balanced.argmax(1).numpy()


def _gather(
    state: State, by_class: dict[int, ClassGraph], found: dict[int, Cliques], sizes: Sizes, size: int
) -> tuple[Grouping, IntArray]:
    """Members of every slot by affinity, and the encodings of every clique int64 (R, size), -1 beyond its end."""
    slots = state.slots
    members = np.full(slots.label.shape, -1, dtype=np.int64)
    cliques = np.full((int(sizes.per_class.sum()), size), -1, dtype=np.int64)
    of_class: list[IntArray] = []
    scores: list[float] = []
    first = 0
    for c in range(slots.classes):
        k = int(sizes.per_class[c])
        of_class.append(np.arange(first, first + k, dtype=np.int64))
        if c in found:
            g, f = by_class[c], found[c]
            members[g.rows, g.columns] = first + _placed(f.affinity, sizes.exact)
            both = slots.shared[g.rows]
            if slots.count == 2 and both.any() and f.affinity.shape[1] > 1:  # one node, two images of the class
                best = np.argsort(-f.affinity[both], axis=1, kind="stable")[:, :2]
                members[g.rows[both]] = first + best
            cliques[first : first + len(f.sets), : f.sets.shape[1]] = g.rows[f.sets]
            scores.append(float(f.affinity[np.arange(len(g)), f.affinity.argmax(1)].sum()))
        first += k
    return Grouping(members, of_class, sizes, scores), cliques
