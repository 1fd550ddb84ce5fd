"""A first layout: positions in the plane by their correlations (Isomap; Tenenbaum, de Silva and Langford 2000)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import shortest_path

from ihaudit.attacks.numerics.layout.pictures import Floats


def planar(correlation: Floats, neighbours: int) -> NDArray[np.float64]:
    """float64 (P, 2): the plane in which distances along the graph of most correlated positions are kept best.

    Args:
        correlation: float32 (P, P).
        neighbours: most correlated positions that each is linked with.
    """
    size = len(correlation)
    distance = 1 - correlation.astype(np.float64)
    np.fill_diagonal(distance, np.inf)
    near = np.argpartition(distance, neighbours, axis=1)[:, :neighbours].ravel()
    rows = np.repeat(np.arange(size), neighbours)
    length = np.sqrt(np.maximum(distance[rows, near], 1e-9))
    graph = csr_matrix((length, (rows, near)), shape=(size, size))
    along = shortest_path(graph.maximum(graph.T), directed=False)
    along[~np.isfinite(along)] = along[np.isfinite(along)].max()
    gram = -0.5 * along**2
    gram = gram - gram.mean(0) - gram.mean(1)[:, None] + gram.mean()
    values, vectors = np.linalg.eigh(gram)
    out: NDArray[np.float64] = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0))
    return out


def first_layout(released: Floats, similar: Floats, neighbours: int) -> NDArray[np.int64]:
    """int64 (P,): a pixel for every released position, by matching the two embeddings; may be mirrored.

    Args:
        released, similar: float32 (P, P) correlations of released positions and of the pixels of similar images.
        neighbours: see `planar`.
    """
    a, b = planar(released, neighbours), planar(similar, neighbours)
    cost = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.asarray(linear_sum_assignment(cost)[1], np.int64)
