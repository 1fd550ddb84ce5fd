"""An affine map of every place by itself: feature maps, tokens in order and blocks whose keys differ by place.

A map of the whole encoding has to learn that a place of the image hangs on one place of the encoding; here that is
given, so that as many pairs as a place has values determine it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from ihaudit.attacks.numerics.known_pairs.base import Encodings, Images, Inverse, blocks_of, images_of
from ihaudit.attacks.numerics.known_pairs.regression import STRENGTHS, as_maps

#: edges of the blocks of encodings that are shaped like the images
EDGES = (4, 8)
#: places, and values of a place, at most
PLACES, VALUES = 1024, 2048
#: pairs from which places are told apart; fewer teach the map that all share
FEWEST = 16
#: floating-point numbers that all bases together may take
NUMBERS = 60_000_000


@dataclass(frozen=True, eq=False)
class PlaceInverse:
    """Each block of the image from the values of its own place, by a map of that place."""

    words: str
    weights: NDArray[np.float32]  # (P, V, G)
    centres: NDArray[np.float32]  # (P, V)
    means: NDArray[np.float32]  # (P, G)
    edge: int
    shape: tuple[int, int, int]

    def __call__(self, encodings: Encodings) -> Images:
        """See `Inverse`."""
        y = _by_place(encodings, self.shape, self.edge)
        assert y is not None
        blocks = np.matmul(y.swapaxes(0, 1) - self.centres[:, None], self.weights) + self.means[:, None]
        return images_of(blocks.swapaxes(0, 1), self.shape)


def fit_places(images: Images, encodings: Encodings) -> list[Inverse]:
    """One map for every place; how strong the ridge is, as a share of a place's variance, all places tell together."""
    n, shape = len(images), tuple(int(v) for v in images.shape[1:])
    if n < FEWEST:
        return []
    out: list[Inverse] = []
    for edge in EDGES if encodings.shape[1:] == images.shape[1:] else (0,):
        y = _by_place(encodings, shape, edge)
        if y is None:
            continue
        places, values = y.shape[1:]
        step = edge or round((shape[0] * shape[1] / places) ** 0.5)
        goal = values + step**2 * shape[2]
        if not 1 < places <= PLACES or not 1 < values <= VALUES or places * min(n, values) * goal > NUMBERS:
            continue
        words = (
            f"an affine map of every block of {edge} x {edge} by itself"
            if edge
            else "an affine map of every place by itself"
        )
        out.append(PlaceInverse(words, *_ridges(y, blocks_of(images, step)), edge, shape))  # type: ignore[arg-type]
    return out


def _by_place(encodings: Encodings, shape: tuple[int, ...], edge: int) -> NDArray[np.float32] | None:
    """float32 (n, P, V): the encoding's values by place, blocks of `edge` where it is not 0; None where it has none."""
    if edge:
        return None if shape[0] % edge or shape[1] % edge else blocks_of(encodings, edge)
    maps, _ = as_maps(encodings, shape)
    return None if maps is None else maps.reshape(len(maps), -1, maps.shape[3])


def _ridges(
    rows: NDArray[np.float32], goals: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Weights (P, V, G), centres (P, V) and means (P, G) from rows (n, P, V) and goals (n, P, G).

    The strength is that of the least generalised cross-validation error, summed over places.
    """
    n = len(rows)
    centres, means = rows.mean(0), goals.mean(0)
    error, solved = np.zeros(len(STRENGTHS)), []
    for place in range(rows.shape[1]):
        r = (rows[:, place] - centres[place]).astype(np.float64)
        g = (goals[:, place] - means[place]).astype(np.float64)
        wide = r.shape[1] > n
        values, vectors = eigh(r @ r.T if wide else r.T @ r)
        real = values > 1e-10 * max(float(values[-1]), 1e-30)
        values, basis = values[real], vectors[:, real]
        if wide:
            basis = r.T @ basis / np.sqrt(values)
        turned = basis.T @ (r.T @ g)
        scale = max(float((r**2).sum()) / max(1, min(n, r.shape[1])), 1e-30)
        total, energy = float((g**2).sum()), (turned**2).sum(1)
        for i, strength in enumerate(STRENGTHS * scale):
            fitted = float((energy * (2 / (values + strength) - values / (values + strength) ** 2)).sum())
            freedom = 1 + float((values / (values + strength)).sum())
            error[i] += max(total - fitted, 0.0) / max(1 - freedom / n, 1e-3) ** 2
        solved.append((values, basis.astype(np.float32), turned, scale))
    best = STRENGTHS[int(error.argmin())]
    weights = [basis @ (turned / (values + best * scale)[:, None]) for values, basis, turned, scale in solved]
    return np.stack(weights).astype(np.float32), centres, means
