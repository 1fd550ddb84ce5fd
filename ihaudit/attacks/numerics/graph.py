"""The similarity graph of Carlini et al. 2021, 4.3.2, cut into classes: nodes are slots, edges log odds.

Labels say which class each slot of an encoding holds, so only slots of one class can hold the same image and an edge
belongs to one class.  Within a class the graph is complete up to `MAX_COMPLETE` nodes, beyond it every node keeps its
strongest edges: memory stays bounded and no matrix over all encodings is ever formed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from ihaudit.attacks.numerics.labels import Slots

IntArray = NDArray[np.int64]

#: nodes of one class whose edges are all kept (float32: 64 MB); beyond, the strongest `NEIGHBOURS` of each node
MAX_COMPLETE, NEIGHBOURS = 4000, 512
_LINES = 512  # nodes of a large class that are compared with all at a time


@dataclass(frozen=True, eq=False)
class ClassGraph:
    """The slots of one class and how likely they hold the same image.

    Attributes:
        label: the class.
        rows, columns: int64 (n,), encoding and slot of each node.  An encoding whose two images share the class is one
            node, with column 0.
        weights: float32 (n, n), symmetric, diagonal 0: log odds at even prior odds that two nodes share an image.
            A CSR matrix of the strongest edges, less `floor`, where n is large.
        floor: log odds of an edge that is not kept (0 where all are).
    """

    label: int
    rows: IntArray
    columns: IntArray
    weights: NDArray[np.float32] | csr_matrix
    floor: float = 0.0

    def __len__(self) -> int:
        return len(self.rows)

    def lines(self, nodes: IntArray) -> NDArray[np.float32]:
        """Log odds of some nodes with all, float32 (len(nodes), n)."""
        if isinstance(self.weights, csr_matrix):
            result: NDArray[np.float32] = self.weights[nodes].toarray() + np.float32(self.floor)
            return result
        return self.weights[nodes]


def nodes_of(slots: Slots, label: int) -> tuple[IntArray, IntArray]:
    """Encoding and slot of every node of a class, both int64 (n,)."""
    rows, columns = np.nonzero(slots.label == label)
    first = (columns == 0) | (slots.label[rows, 0] != label)
    return rows[first], columns[first]


def strongest(lines: NDArray[np.float32], start: int, keep: int, floor: float) -> csr_matrix:
    """CSR of the `keep` largest entries of each line (n, N), less `floor`; line i is node ``start + i``."""
    n, width = lines.shape
    keep = min(keep, width - 1)
    lines = lines.copy()
    lines[np.arange(n), start + np.arange(n)] = -np.inf
    column = np.argpartition(-lines, keep - 1, axis=1)[:, :keep]
    value = np.maximum(np.take_along_axis(lines, column, 1) - floor, 0).astype(np.float32)
    return csr_matrix((value.ravel(), column.ravel(), np.arange(n + 1) * keep), shape=(n, width))


def class_graph(
    label: int,
    rows: IntArray,
    columns: IntArray,
    complete: Callable[[], NDArray[np.float32]],
    lines: Callable[[int, int], NDArray[np.float32]],
) -> ClassGraph:
    """Graph of one class: complete, or the strongest edges of each node where there are more than `MAX_COMPLETE`.

    Args:
        label, rows, columns: of `ClassGraph`.
        complete: gives the log odds of all pairs, float32 (n, n) with diagonal 0.
        lines: gives those of nodes i..j-1 with all, float32 (j - i, n).
    """
    n = len(rows)
    if n <= MAX_COMPLETE:
        return ClassGraph(label, rows, columns, complete())
    floor = float(np.quantile(lines(0, min(n, _LINES)), 1 - min(0.9, NEIGHBOURS / n)))
    parts = [strongest(lines(i, min(i + _LINES, n)), i, NEIGHBOURS, floor) for i in range(0, n, _LINES)]
    half = vstack(parts).tocsr()
    return ClassGraph(label, rows, columns, half.maximum(half.T).tocsr(), floor)


def edge_sample(
    graph: list[ClassGraph], limit: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray, NDArray[np.float32]]:
    """Up to `limit` pairs of encodings that share a class, drawn evenly: i, j int64 and their log odds float32.

    For judging the similarity by itself (pair AUC and accuracy).  A pair that shares two classes may come up twice.
    """
    total = sum(len(g) * (len(g) - 1) / 2 for g in graph)
    found: list[tuple[IntArray, IntArray, NDArray[np.float32]]] = []
    for g in graph:
        n = len(g)
        pairs = n * (n - 1) / 2
        if not pairs:
            continue
        want = min(int(np.ceil(limit * pairs / total)), int(pairs))
        if want == pairs:
            a, b = np.triu_indices(n, 1)
        else:
            a = rng.integers(0, n, want)
            b = (a + rng.integers(1, n, want)) % n
        value = np.empty(want, np.float32)
        order = np.argsort(a, kind="stable")
        for part in np.array_split(order, max(1, want // 20_000)):
            nodes, back = np.unique(a[part], return_inverse=True)
            value[part] = g.lines(nodes)[back, b[part]]
        found.append((g.rows[a], g.rows[b], value))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    return tuple(np.concatenate(x) for x in zip(*found))  # type: ignore[return-value]
