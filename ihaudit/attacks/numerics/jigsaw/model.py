"""How likely a block is at a place, and two blocks side by side, for pictures like the similar ones.

Both are Student distributions.  The log-likelihood of an arrangement is taken to be the sum over places of the
log-density of what stands there, plus, for every two neighbours, that of the two strips at their common edge together
less that of either alone (Bethe's approximation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.jigsaw.motions import Motions, motions
from ihaudit.attacks.numerics.jigsaw.student import Floats, Student, fit, scatter_of

#: columns on either side of an edge that are compared
WIDTH = 2
#: pairs of strips, and similar images, that the densities are fitted to
STRIPS, IMAGES = 20000, 2500
#: values of a block beyond which its density is that of the block at half the resolution
MOST_VALUES = 64
#: share of the scatter of all places together in that of each place
POOLED = 0.1


@dataclass(frozen=True, eq=False)
class Model:
    """Fitted to similar images, for blocks of one size; values are taken about mid-grey.

    Attributes:
        block: edge of a block.
        rows, columns: places of a picture, in reading order.
        motions: the group of what may be done to a block.
        joint: of the strips left and right of an edge together, 2 * b * w * C values.
        alone: of one of the two.
        places: of a (halved) block at each place.
        usual: mean gain of true edges of similar images.
    """

    block: int
    rows: int
    columns: int
    motions: Motions
    joint: Student
    alone: Student
    places: tuple[Student, ...]
    usual: float

    @classmethod
    def of(cls, similar: Floats, block: int, rng: np.random.Generator) -> Model:
        """Fitted to float32 (S, H, W, C) in [0, 1]."""
        some = similar[rng.permutation(len(similar))[:IMAGES]] - np.float32(0.5)
        n, h, w, c = some.shape
        group = motions(c)
        strips = _strips(some, block, group, rng)
        none = np.zeros(strips.shape[1], np.float32)
        joint = fit(strips, none)
        half = strips.shape[1] // 2
        alone = fit(strips[:, :half], none[:half])
        gains = joint.log_density(strips) - alone.log_density(strips[:, :half]) - alone.log_density(strips[:, half:])
        blocks = halved(blocks_of(some, block).reshape(-1, block, block, c)).reshape(n, (h // block) * (w // block), -1)
        pooled = fit(blocks.reshape(-1, blocks.shape[2])[rng.permutation(blocks.shape[0] * blocks.shape[1])[:STRIPS]])
        everywhere = np.linalg.inv(pooled.precision.astype(np.float64))
        places = []
        for p in range(blocks.shape[1]):
            mean, scatter = scatter_of(blocks[:, p], pooled.freedom)
            scatter = (1 - POOLED) * scatter + POOLED * everywhere
            places.append(Student.of_scatter(mean, scatter, pooled.freedom))
        return cls(block, h // block, w // block, group, joint, alone, tuple(places), float(gains.mean()))

    def edges(self, shown: Floats) -> Floats:
        """float32 (B, 4, B, G): gain of block b in motion g right of block a after that many quarter turns.

        Args:
            shown: float32 (B, G, b, b, C), every block after every motion.
        """
        b, g = shown.shape[:2]
        width = min(WIDTH, self.block)
        quarter = g // 8
        # The strip left of an edge is kept mirrored, so that both are seen from the edge.
        left = shown[:, : 4 * quarter : quarter, :, ::-1][:, :, :, :width].reshape(b * 4, -1)
        right = shown[:, :, :, :width].reshape(b * g, -1)
        d = left.shape[1]
        q = self.joint.precision
        squared = 2 * (left @ q[:d, d:]) @ right.T
        squared += np.einsum("nd,nd->n", left @ q[:d, :d], left)[:, None]
        squared += np.einsum("nd,nd->n", right @ q[d:, d:], right)
        gain = (
            self.joint.at(np.asarray(squared, np.float32))
            - self.alone.log_density(left)[:, None]
            - self.alone.log_density(right)
        )
        return np.ascontiguousarray(gain.reshape(b, 4, b, g), np.float32)

    def standing(self, shown: Floats) -> Floats:
        """float32 (B, G, P): log-density of every block after every motion at every place."""
        b, g = shown.shape[:2]
        x = halved(shown.reshape(b * g, *shown.shape[2:])).reshape(b * g, -1)
        return np.stack([p.log_density(x) for p in self.places], 1).reshape(b, g, -1)


def _strips(pictures: Floats, block: int, group: Motions, rng: np.random.Generator) -> Floats:
    """float32 (n, 2 * b * w * C): what lies on either side of edges anywhere, in all ways of looking at them."""
    n = len(pictures)
    width = min(WIDTH, block)
    parts = []
    for turn in (0, 1):
        x = np.rot90(pictures, turn, (1, 2))
        count = STRIPS // 2
        image = rng.integers(n, size=count)
        top, left = (rng.integers(m, size=count) for m in (x.shape[1] - block + 1, x.shape[2] - 2 * width + 1))
        rows = top[:, None, None] + np.arange(block)[:, None]
        columns = left[:, None, None] + np.arange(2 * width)
        patch = x[image[:, None, None], rows, columns]
        patch[::2] = patch[::2, ::-1]
        mirrored = rng.random(count) < 0.5
        patch[mirrored] = patch[mirrored][:, :, ::-1]
        order = group.orders[rng.integers(len(group.orders), size=count)]
        patch = np.take_along_axis(patch, order[:, None, None], 3)
        sides = (patch[:, :, :width][:, :, ::-1], patch[:, :, width:])
        parts.append(np.concatenate([v.reshape(count, -1) for v in sides], 1))
    return np.concatenate(parts)


def blocks_of(pictures: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    """float32 (n, H, W, C) -> (n, B, b, b, C), in reading order."""
    n, h, w, c = pictures.shape
    grid = pictures.reshape(n, h // edge, edge, w // edge, edge, c).swapaxes(2, 3)
    return grid.reshape(n, -1, edge, edge, c)


def pictures_of(blocks: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """The inverse of `blocks_of`."""
    n, _, b, _, c = blocks.shape
    return blocks.reshape(n, rows, columns, b, b, c).swapaxes(2, 3).reshape(n, rows * b, columns * b, c)


def halved(blocks: Floats) -> Floats:
    """float32 (n, b, b, C) at half the resolution until it has at most `MOST_VALUES` values, where b is even."""
    n, b, _, c = blocks.shape
    while b * b * c > MOST_VALUES and b % 2 == 0:
        b //= 2
        blocks = blocks.reshape(n, b, 2, b, 2, c).mean((2, 4))
    return blocks
