"""Cliques of the similarity graph: greedy growth from every node, then k-means over the sets found.

Carlini et al. 2021, 4.3.3.  S starts with one encoding and grows by S <- S + argmax_j sum_{i in S} sim(i, j) to a fixed
size; sets grown from encodings of one image are nearly the same set, so as many clusters of sets as there are images
are formed by k-means and one representative of each is kept.  Everything happens within one class: labels forbid edges
between classes, so greedy growth never leaves one.

The paper's formula of the distance between sets is lost in the text we have; here it is half the symmetric difference,
which for sets of one size is their size less the overlap, and half the squared Euclidean distance of their indicator
vectors: plain k-means on those vectors minimises it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from ihaudit.attacks.numerics.graph import ClassGraph
from ihaudit.attacks.numerics.group import Grouping
from ihaudit.attacks.numerics.grouping import sinkhorn
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.sizes import Sizes, infer_sizes
from ihaudit.attacks.numerics.squares_graph import squares_graph
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable

IntArray = NDArray[np.int64]
Floats = NDArray[np.float32]

#: size of a clique as a share of the encodings of one image, and its bounds
SHARE, SMALLEST, LARGEST = 0.4, 3, 64
#: starts per class (all nodes, or as many evenly spaced ones) and how many grow at once
STARTS, BATCH = 2000, 500
#: random starts of k-means, and its iterations
RESTARTS, ITERATIONS = 8, 30


@dataclass(frozen=True, eq=False)
class Cliques:
    """Sets of one class.

    Attributes:
        sets: int64 (K, size), nodes of each representative.
        affinity: float32 (n, K), mean log odds of every node with the members of each set, itself left out.
        cluster_sizes: int64 (K,), how many of the grown sets each stands for.
        spread: mean distance of a grown set to its cluster's mean, as a share of the set size: 0 where all sets of an
            image are one set, near 1 where they have nothing in common.
    """

    sets: IntArray
    affinity: Floats
    cluster_sizes: IntArray
    spread: float


def grow(graph: ClassGraph, starts: IntArray, size: int) -> IntArray:
    """Greedy sets int64 (len(starts), size), members in the order in which they were added, the start first."""
    out = np.empty((len(starts), size), np.int64)
    for i in range(0, len(starts), BATCH):
        part = starts[i : i + BATCH]
        line = np.arange(len(part))
        out[i : i + BATCH, 0] = part
        total = graph.lines(part).astype(np.float32)
        total[line, part] = -np.inf
        for step in range(1, size):
            best = total.argmax(1)
            out[i : i + BATCH, step] = best
            if step + 1 < size:
                total += graph.lines(best)
                total[line, best] = -np.inf
    return out


def indicators(sets: IntArray, n: int) -> Floats:
    """float32 (len(sets), n): 1 where a node is in the set."""
    out = np.zeros((len(sets), n), np.float32)
    np.put_along_axis(out, sets, 1.0, axis=1)
    return out


def set_distance(a: IntArray, b: IntArray) -> int:
    """Half the symmetric difference of two sets of one size: what k-means minimises."""
    return len(a) - len(np.intersect1d(a, b))


def kmeans(
    points: Floats, clusters: int, rng: np.random.Generator, restarts: int = RESTARTS
) -> tuple[IntArray, Floats, float]:
    """Label int64 (n,) of each point, means float32 (K, d), and half the summed squared distance; best of several.

    Lloyd's algorithm from k-means++ starts; a cluster that runs empty takes the point farthest from its mean.
    """
    norms = (points**2).sum(1)
    best: tuple[IntArray, Floats, float] | None = None
    for _ in range(restarts):
        means = points[_plus_plus(points, norms, clusters, rng)]
        label = np.full(len(points), -1)
        for _ in range(ITERATIONS):
            distance = norms[:, None] - 2 * points @ means.T + (means**2).sum(1)[None]
            new = distance.argmin(1)
            if np.array_equal(new, label):
                break
            label = new
            near = distance[np.arange(len(points)), label]
            for empty in np.setdiff1d(np.arange(clusters), label):
                far = int(near.argmax())
                label[far], near[far] = empty, -1
            onehot = np.zeros((clusters, len(points)), np.float32)
            onehot[label, np.arange(len(points))] = 1
            means = (onehot @ points) / onehot.sum(1, keepdims=True).clip(1)
        cost = float(((points - means[label]) ** 2).sum() / 2)
        if best is None or cost < best[2]:
            best = (label, means, cost)
    assert best is not None
    return best


def _plus_plus(points: Floats, norms: Floats, clusters: int, rng: np.random.Generator) -> IntArray:
    """Greedy k-means++: of a few points drawn by squared distance, the one that leaves the least cost."""
    candidates = 2 + int(np.log(max(clusters, 1)))
    chosen = [int(rng.integers(len(points)))]
    near = _squared(points, norms, chosen)[:, 0]
    for _ in range(clusters - 1):
        total = near.sum()
        if total > 0:
            drawn = rng.choice(len(points), candidates, p=near / total)
        else:
            drawn = rng.integers(len(points), size=candidates)
        distance = np.minimum(near[:, None], _squared(points, norms, drawn))
        best = int(distance.sum(0).argmin())
        chosen.append(int(drawn[best]))
        near = distance[:, best]
    return np.array(chosen)


def _squared(points: Floats, norms: Floats, of: IntArray | list[int]) -> Floats:
    return np.maximum(norms[:, None] - 2 * points @ points[of].T + norms[of][None], 0)


def find_cliques(
    graph: ClassGraph,
    clusters: int,
    size: int,
    rng: np.random.Generator,
    grown: IntArray | None = None,
    *,
    restarts: int = RESTARTS,
) -> Cliques:
    """`clusters` sets of `size` nodes; `grown` are sets of at least that size from `grow`, where there are some."""
    n = len(graph)
    size = min(size, n)
    if grown is None:
        grown = grow(graph, starts_of(n), size)
    sets = grown[:, :size]
    clusters = min(clusters, len(sets))
    points = indicators(sets, n)
    label, means, cost = kmeans(points, clusters, rng, restarts)
    distance = ((points - means[label]) ** 2).sum(1)
    chosen = np.array([np.nonzero(label == c)[0][distance[label == c].argmin()] for c in range(clusters)])
    return Cliques(
        sets=sets[chosen],
        affinity=affinity(graph, sets[chosen]),
        cluster_sizes=np.bincount(label, minlength=clusters),
        spread=cost / (len(sets) * size),
    )


def starts_of(n: int) -> IntArray:
    """Nodes that sets are grown from."""
    return np.unique(np.linspace(0, n - 1, min(n, STARTS)).astype(np.int64))


def affinity(graph: ClassGraph, sets: IntArray) -> Floats:
    """Mean log odds float32 (n, K) of every node with each set int64 (K, size), itself left out."""
    return mean_affinity(graph, indicators(sets, len(graph)).T)


def mean_affinity(graph: ClassGraph, inside: Floats) -> Floats:
    """The same for sets given as float32 (n, K), 1 where a node is in a set."""
    n = len(graph)
    total = np.empty(inside.shape, np.float32)
    for i in range(0, n, 1024):
        nodes = np.arange(i, min(i + 1024, n))
        lines = graph.lines(nodes)
        lines[np.arange(len(nodes)), nodes] = 0
        total[i : i + 1024] = lines @ inside
    return total / np.maximum(inside.sum(0)[None] - inside, 1)


def clique_size(multiplicity: float) -> int:
    """Members of a clique where each image is in `multiplicity` encodings."""
    return int(np.clip(round(SHARE * multiplicity), SMALLEST, LARGEST))


def same_image(found: Cliques) -> IntArray:
    """Label int64 (K,) of each set: sets whose members, on average, more likely than not share an image get one."""
    between = np.stack([found.affinity[nodes].mean(0) for nodes in found.sets])
    return connected_components((between + between.T) > 0, directed=False)[1].astype(np.int64)


def merged(found: Cliques, clusters: int) -> Cliques:
    """At most `clusters` sets: of those of one image the one that stands for most, of images those most grown into.

    Not in the paper: k-means into as many clusters as there are images sometimes splits one image and merges two.
    """
    label = same_image(found)
    total = np.bincount(label, found.cluster_sizes)
    best = [int(np.nonzero(label == c)[0][found.cluster_sizes[label == c].argmax()]) for c in range(len(total))]
    order = [best[c] for c in np.argsort(-total, kind="stable")]
    rest = [i for i in np.argsort(-found.cluster_sizes, kind="stable") if i not in order]
    keep = np.array((order + rest)[:clusters])
    return replace(
        found, sets=found.sets[keep], affinity=found.affinity[:, keep], cluster_sizes=found.cluster_sizes[keep]
    )


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
    inside = [found.affinity[nodes, k].mean() for k, nodes in enumerate(found.sets)]
    return float(np.mean(inside) - found.affinity.mean())


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
