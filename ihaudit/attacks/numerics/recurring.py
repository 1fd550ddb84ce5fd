"""Groups of encodings that hold the same public image, read off what private images leave of them.

Correlations of whitened residuals say which pairs share an image (`shared.correlation`); here they are taken after each
place is divided by its own strength, so that a single strong edge does not drown the rest (1.12 times as many pairs are
found at the same rate of false ones).  Pairs that close triangles belong to one image: a group with one loading per
encoding, which is a covariance that is positive definite by construction.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_matrix

from ihaudit.attacks.numerics.transforms import Whitener
from ihaudit.release import FloatArray

_STANDARD_ERRORS = 5.4  # of a correlation by chance: one false pair in 30 million
_RADIUS = 2.0  # pixels over which a place's strength is measured
_FAINTEST, _STRONGEST = 0.05, 0.97  # loadings, of an encoding's own public part
_DENSITY = 0.65  # of a group's pairs, at least so many are seen: in dense releases some triangles close by chance
_BLOCK = 1024

Ints = NDArray[np.int64]


def embed(noise: FloatArray, whitener: Whitener) -> NDArray[np.float32]:
    """Residuals whitened, divided by their strength around each place, and of unit length.

    Args:
        noise: float32 (E, H, W, C).
        whitener: of the mixtures.

    Returns:
        float32 (E, H * W * C).
    """
    z = whitener(noise)
    z = whitener.basis.backward(torch.from_numpy(z / max(float(np.sqrt((z**2).mean())), 1e-12))).numpy()
    strength = gaussian_filter((z**2).mean(1), (0, _RADIUS, _RADIUS))
    z = (z / np.sqrt(strength + 1e-3)[:, None]).reshape(len(z), -1)
    result: NDArray[np.float32] = (z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return result


def pairs(unit: NDArray[np.float32]) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Pairs i < j that are more alike than chance, and their correlation.

    Chance is measured: the median size of the correlations of a sample, nearly all of which share nothing.
    """
    none = np.zeros(0, np.int64)
    e = len(unit)
    if e < 3:
        return none, none, np.zeros(0)
    sample = unit[:: max(1, e // 512)]
    by_chance = np.abs((sample @ sample.T)[np.triu_indices(len(sample), 1)])
    least = _STANDARD_ERRORS * max(float(np.median(by_chance)) / 0.6745, 1 / np.sqrt(unit.shape[1]))
    found: list[tuple[Ints, Ints, NDArray[np.float64]]] = []
    for start in range(0, e, _BLOCK):
        block = unit[start : start + _BLOCK] @ unit[start:].T
        i, j = np.nonzero(block > least)
        upper = j > i
        i, j = i[upper], j[upper]
        found.append((i + start, j + start, block[i, j].astype(np.float64)))
    first, second, value = (np.concatenate(p) for p in zip(*found))
    return first, second, value


def groups(count: int, first: Ints, second: Ints, value: NDArray[np.float64]) -> list[Ints]:
    """Encodings by the public image that they share: pairs of `count` encodings that close a triangle are one image's.

    Returns:
        Member lists, ascending; an encoding can be in several.
    """
    pairs = list(zip(first.tolist(), second.tolist()))
    graph = nx.Graph()
    graph.add_edges_from((i, j, {"group": n}) for n, (i, j) in enumerate(pairs))
    near = dict(graph.adjacency())
    members = [set(pair) for pair in pairs]
    edges = [[graph.edges[pair]] for pair in pairs]
    for n in np.argsort(-value).tolist():
        i, j = pairs[n]
        own = graph.edges[i, j]
        for k in near[i].keys() & near[j].keys():  # the triangle i, j, k
            for other in (near[i][k], near[j][k]):
                x, y = own["group"], other["group"]
                if x == y:
                    continue
                x, y = (x, y) if len(edges[x]) >= len(edges[y]) else (y, x)
                union = members[x] | members[y]
                links = sum(len(near[m].keys() & union) for m in union)
                if links < _DENSITY * len(union) * (len(union) - 1):
                    continue
                for edge in edges[y]:
                    edge["group"] = x
                edges[x] += edges[y]
                members[x], edges[y] = union, []
    return [np.array(sorted(m), np.int64) for m, e in zip(members, edges) if e]


def _rank_one(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Loadings whose products are nearest to the off-diagonal entries; two members are taken for equal."""
    n = len(products)
    off = ~np.eye(n, dtype=bool)
    products = np.maximum(products, 0)
    f = np.full(n, np.sqrt(products[off].mean()))
    for _ in range(20 if n > 2 else 0):
        f = 0.5 * f + 0.5 * ((products * off) @ f + 0.02 * f.mean()) / (off @ f**2 + 0.02)
    return f.clip(_FAINTEST, _STRONGEST)


def loadings(unit: NDArray[np.float32]) -> csr_matrix:
    """How much of each encoding's public part each recurring public image is.

    Args:
        unit: from `embed`.

    Returns:
        float32 (E, G): a squared entry is the share of the encoding's energy.
    """
    found = groups(len(unit), *pairs(unit))
    rows = np.concatenate([*found, np.zeros(0, np.int64)])
    columns = np.repeat(np.arange(len(found)), [len(m) for m in found])
    values = [_rank_one((unit[m] @ unit[m].T).astype(np.float64)) for m in found]
    entries = np.concatenate([*values, np.zeros(0)]).astype(np.float32)
    return csr_matrix((entries, (rows, columns)), shape=(len(unit), len(found)))
