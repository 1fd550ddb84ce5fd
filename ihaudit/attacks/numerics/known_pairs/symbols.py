"""Numbers that stand for something, such as those of a codebook's entries: what patch each one stands for.

Which number an entry has says nothing of its patch, so that no map of the numbers as quantities finds it; known pairs
show every entry in many places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ihaudit.attacks.numerics.known_pairs.base import Encodings, Images, Inverse, blocks_of, images_of

#: different numbers that may stand at one place of a token, and all such columns of one token together, at most
SYMBOLS, COLUMNS = 1024, 2048
#: times that every symbol must have been seen on average
SEEN = 4
#: what a symbol's mean is drawn towards that of its place by: so many sightings of it
DRAWN = 1.0


@dataclass(frozen=True, eq=False)
class SymbolInverse:
    """Each patch as the sum of what its token's symbols stand for, on top of the mean of its place."""

    words: str
    known: tuple[NDArray[np.float32], ...]  # the symbols of each number of a token, sorted
    weights: NDArray[np.float32]  # (K, G)
    means: NDArray[np.float32]  # (P, G)
    shape: tuple[int, int, int]

    def __call__(self, encodings: Encodings) -> Images:
        """See `Inverse`."""
        tokens = _tokens(encodings, self.shape)
        assert tokens is not None
        patches = _one_hot(tokens.reshape(-1, tokens.shape[2]), self.known) @ self.weights
        return images_of(patches.reshape(*tokens.shape[:2], -1) + self.means, self.shape)


def fit_symbols(images: Images, encodings: Encodings) -> list[Inverse]:
    """What every symbol stands for, by ridge regression on which symbols a token has, alike at all places."""
    shape = tuple(int(v) for v in images.shape[1:])
    tokens = _tokens(encodings, shape)
    if tokens is None or not np.array_equal(tokens, np.rint(tokens)):
        return []
    rows = tokens.reshape(-1, tokens.shape[2])
    known = tuple(np.unique(column) for column in rows.T)
    widths = [len(k) for k in known]
    if not 1 < max(widths) <= SYMBOLS or sum(widths) > COLUMNS or len(rows) < SEEN * sum(widths):
        return []
    edge = round((shape[0] * shape[1] / tokens.shape[1]) ** 0.5)
    blocks = blocks_of(images, edge)
    means = blocks.mean(0)
    seen = _one_hot(rows, known)
    gram = (seen.T @ seen).toarray() + DRAWN * np.eye(sum(widths))
    weights = np.linalg.solve(gram, seen.T @ (blocks - means).reshape(len(rows), -1)).astype(np.float32)
    words = "a table of what every number of the encoding stands for"
    return [SymbolInverse(words, known, weights, means, shape)]  # type: ignore[arg-type]


def _tokens(encodings: Encodings, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """float32 (n, T, m): m numbers for each of T square patches in reading order, few for a patch; None where not."""
    n, (h, w) = len(encodings), shape[:2]
    for split in (encodings.reshape(n, -1, 1), encodings.reshape(n, -1, encodings.shape[-1])):
        places, numbers = split.shape[1:]
        edge = round((h * w / places) ** 0.5)
        if edge >= 1 and not h % edge and not w % edge and (h // edge) * (w // edge) == places and numbers <= edge**2:
            return split
    return None


def _one_hot(rows: NDArray[np.float32], known: tuple[NDArray[np.float32], ...]) -> csr_array:
    """(R, K) of rows (R, m): a one for every symbol that a row has; those not seen before have none."""
    at, column, start = [], [], 0
    for values, symbols in zip(rows.T, known, strict=True):
        index = np.minimum(np.searchsorted(symbols, values), len(symbols) - 1)
        right = symbols[index] == values
        at.append(np.flatnonzero(right))
        column.append(start + index[right])
        start += len(symbols)
    i, j = np.concatenate(at), np.concatenate(column)
    return csr_array((np.ones(len(i), np.float32), (i, j)), shape=(len(rows), start))
