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

import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.sparse.csgraph import connected_components

from ihaudit.attacks.numerics.clusters import sinkhorn
from ihaudit.attacks.numerics.graph import ClassGraph
from ihaudit.attacks.numerics.grouping import Grouping
from ihaudit.attacks.numerics.labels import IntArray, Slots
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.sizes import Sizes, infer_sizes

Floats = NDArray[np.float32]

#: size of a clique as a share of the encodings of one image, and its bounds
SHARE, SMALLEST, LARGEST = 0.4, 3, 64
#: starts per class (all nodes, or as many evenly spaced ones) and how many grow at once
STARTS, BATCH = 2000, 500
#: random starts of k-means, and its iterations (it has settled by then, and goes on to the last in any case)
RESTARTS, ITERATIONS = 8, 8


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


def kmeans(
    points: Floats, clusters: int, rng: np.random.Generator, restarts: int = RESTARTS
) -> tuple[IntArray, Floats, float]:
    """Label int64 (n,) of each point, means float32 (K, d), and half the summed squared distance; best of several.

    A cluster can run empty: no point then has its label.
    """
    best: tuple[IntArray, Floats, float] | None = None
    for _ in range(restarts):
        with warnings.catch_warnings():  # a cluster that runs empty is no error, nor are fewer points than clusters
            warnings.simplefilter("ignore")
            means, label = kmeans2(points, clusters, iter=ITERATIONS, minit="++", seed=rng)
        cost = float(((points - means[label]) ** 2).sum() / 2)
        if best is None or cost < best[2]:
            best = (label.astype(np.int64), means, cost)
    assert best is not None
    return best


def find_cliques(
    graph: ClassGraph,
    clusters: int,
    size: int,
    rng: np.random.Generator,
    grown: IntArray | None = None,
    *,
    restarts: int = RESTARTS,
) -> Cliques:
    """At most `clusters` sets of `size` nodes; `grown`: sets of at least that size, where some have been grown."""
    n = len(graph)
    size = min(size, n)
    if grown is None:
        grown = grow(graph, starts_of(n), size)
    sets = grown[:, :size]
    clusters = min(clusters, len(sets))
    points = indicators(sets, n)
    label, means, cost = kmeans(points, clusters, rng, restarts)
    distance = ((points - means[label]) ** 2).sum(1)
    used, label = np.unique(label, return_inverse=True)
    chosen = np.array([np.nonzero(label == c)[0][distance[label == c].argmin()] for c in range(len(used))])
    return Cliques(
        sets=sets[chosen],
        affinity=affinity(graph, sets[chosen]),
        cluster_sizes=np.bincount(label),
        spread=cost / (len(sets) * size),
    )


def starts_of(n: int) -> IntArray:
    """Nodes that sets are grown from."""
    return np.unique(np.linspace(0, n - 1, min(n, STARTS)).astype(np.int64))


def affinity(graph: ClassGraph, sets: IntArray) -> Floats:
    """Mean log odds float32 (n, K) of every node with each set int64 (K, size), itself left out."""
    return mean_affinity(graph, indicators(sets, len(graph)).T)


def mean_affinity(graph: ClassGraph, indicator: Floats) -> Floats:
    """The same for sets given as float32 (n, K), 1 where a node is in a set."""
    n = len(graph)
    total = np.empty(indicator.shape, np.float32)
    for i in range(0, n, 1024):
        nodes = np.arange(i, min(i + 1024, n))
        lines = graph.lines(nodes)
        lines[np.arange(len(nodes)), nodes] = 0
        total[i : i + 1024] = lines @ indicator
    result: Floats = total / np.maximum(indicator.sum(0)[None] - indicator, 1)
    return result


def clique_size(multiplicity: float) -> int:
    """Members of a clique where each image is in `multiplicity` encodings."""
    return int(np.clip(round(SHARE * multiplicity), SMALLEST, LARGEST))


def same_image(found: Cliques) -> IntArray:
    """Label int64 (K,) of each set: sets whose members, on average, more likely than not share an image get one."""
    mean = np.stack([found.affinity[nodes].mean(0) for nodes in found.sets])
    result: IntArray = connected_components((mean + mean.T) > 0, directed=False)[1].astype(np.int64)
    return result


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


@dataclass(frozen=True, eq=False)
class Cover:
    """Cliques of all classes.

    Attributes:
        grouping: sets by id, and the members of every slot by affinity.
        cliques: int64 (R, size), encodings of the clique of each set, -1 beyond its end.
        size: of a clique.
        spread, cohesion: mean of `Cliques.spread`; mean log odds inside sets less that of all nodes with all sets; None
            where there is no set.
    """

    grouping: Grouping
    cliques: IntArray
    size: int
    spread: float | None
    cohesion: float | None


def cover(graph: list[ClassGraph], slots: Slots, *, seed: int, n_private: int | None = None) -> Cover:
    """As many cliques of each class as it has images, their number inferred unless `n_private` is stated."""
    by_class = {g.label: g for g in graph}
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

    sizes = infer_sizes(slots, trial, n_private=n_private)
    size = clique_size(sizes.multiplicity)
    jobs = [c for c in range(slots.classes) if sizes.per_class[c] and c in by_class and len(by_class[c])]

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
    grouping, cliques = _gather(slots, by_class, found, sizes, size)
    spread = [f.spread for f in found.values()]
    return Cover(
        grouping,
        cliques,
        size,
        float(np.mean(spread)) if spread else None,
        float(np.mean([_cohesion(f) for f in found.values()])) if found else None,
    )


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
    slots: Slots, by_class: dict[int, ClassGraph], found: dict[int, Cliques], sizes: Sizes, size: int
) -> tuple[Grouping, IntArray]:
    """Members of every slot by affinity, and the encodings of every clique int64 (R, size), -1 beyond its end."""
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
