"""Releases whose private images are moved anew for every use, for networks that must not mind.

Images are turned as `ihaudit.schemes.instahide_fdn` turns them (by angles such as its test accepts), shifted, or left
as they are; coefficients are those of that scheme (sorted uniform numbers) or InstaHide's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.nn.mixtures import Uints
from ihaudit.nn.releases import PairBatch, mixing_weights
from ihaudit.nn.similarity import Facts
from ihaudit.schemes.instahide_fdn import nearest_turned

Floats = NDArray[np.float32]

#: eps -> deciles of the degrees by which the scheme's copies are turned, measured on six to ten CIFAR-10 images: its
#: test takes seconds an image, and training needs the angles of thousands.
ANGLES = {
    0.1: (1.8, 1.9, 2.0, 2.1, 2.5, 3.1, 3.8, 4.6, 5.0, 5.5, 6.0),
    0.2: (1.8, 2.0, 2.1, 2.2, 3.0, 4.0, 5.0, 5.9, 6.7, 8.8, 10.4),
    0.3: (1.8, 2.1, 2.3, 2.5, 3.5, 4.6, 6.1, 7.4, 10.4, 16.2, 22.8),
    0.4: (1.8, 2.2, 2.5, 2.8, 4.0, 6.1, 8.7, 12.6, 16.3, 22.5, 22.8),
    0.5: (1.9, 2.4, 3.0, 3.6, 6.1, 8.9, 16.3, 22.7, 36.5, 37.1, 37.6),
}


@dataclass(frozen=True)
class Moves:
    """How images were moved: `degrees` float (n,), `shift` int (n, 2) pixels down and to the right."""

    degrees: NDArray[np.float64]
    shift: NDArray[np.int64]

    def __getitem__(self, index: Any) -> Moves:
        return Moves(self.degrees[index], self.shift[index])

    def applied(self, images: Floats) -> Floats:
        """Images float32 (n, H, W, C) in [0, 1], moved, black where nothing is left of them."""
        n, height, width, _ = images.shape
        turned = nearest_turned(images, self.degrees) if self.degrees.any() else images
        if not self.shift.any():
            return turned
        most = int(np.abs(self.shift).max())
        padded = np.pad(turned, ((0, 0), (most, most), (most, most), (0, 0)))
        rows = most - self.shift[:, :1] + np.arange(height)
        columns = most - self.shift[:, 1:] + np.arange(width)
        found: Floats = padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
        return found

    def apart(self, other: Moves, side: int = 32) -> NDArray[np.float64]:
        """The eps of Definition 1 by which one is an augmentation of the other: twice the largest distance, along an
        axis and as a share of the side, of a pixel from its place in the other.  Moves broadcast; angles below 90."""
        angle = np.deg2rad(np.minimum(np.abs(self.degrees - other.degrees), 90))
        by_turn = np.sin(angle) + 1 - np.cos(angle)
        by_shift = 2 * np.abs(self.shift - other.shift).max(-1) / side
        total: NDArray[np.float64] = by_turn + by_shift
        return total


@dataclass(frozen=True)
class MoveConfig:
    """Which moves a release has; every share is of releases.

    Attributes:
        eps: levels of the scheme's augmentation and their odds.
        shifted, most: share that is shifted by up to `most` pixels instead; still: share that is not moved.
        k: smallest and largest number of images in an encoding.
        sorted: share with the scheme's coefficients; the others have InstaHide's.
        same_class: chance that the second image of an encoding is one of those compared too.
        per_image: encodings per image in a batch, on average.
    """

    eps: tuple[tuple[float, float], ...] = ((0.1, 0.5), (0.2, 0.15), (0.3, 0.15), (0.4, 0.1), (0.5, 0.1))
    shifted: float = 0.15
    most: int = 4
    still: float = 0.1
    k: tuple[int, int] = (6, 6)
    sorted: float = 0.7
    same_class: float = 0.1
    per_image: int = 12


@dataclass(frozen=True)
class MovedBatch:
    """Encodings with the images compared, and how the first of them was moved in each."""

    pairs: PairBatch
    moves: Moves


class MovedReleases:
    """A sampler over labelled private images and public ones; every batch is a function of the generator alone."""

    def __init__(self, private: Uints, labels: NDArray[np.integer], public: Uints, config: MoveConfig) -> None:
        """`private` uint8 (N, H, W, C) with int (N,) classes; `public` uint8 (M, H, W, C)."""
        self.private, self.public, self.config = private, public, config
        self.of_class = [np.nonzero(labels == c)[0] for c in np.unique(labels)]

    def motion(self, rng: np.random.Generator) -> Any:
        """How one release moves its images: a function of a shape that draws `Moves`."""
        c, kind = self.config, rng.random()
        levels, odds = zip(*c.eps)
        eps = float(rng.choice(levels, p=np.array(odds) / sum(odds)))

        def draw(n: int) -> Moves:
            degrees, shift = np.zeros(n), np.zeros((n, 2), np.int64)
            if kind < c.shifted:
                shift = rng.integers(-c.most, c.most + 1, (n, 2))
            elif kind >= c.shifted + c.still:
                degrees = accepted(rng, eps, n)
            return Moves(degrees, shift)

        return draw

    def weights(self, rng: np.random.Generator, size: int, k: int, *, dominant: bool) -> Floats:
        """float32 (size, k): coefficients, the private ones first; `dominant`: the first is the larger of the two."""
        if rng.random() < self.config.sorted:
            found = sorted_coefficients(rng, size, k)
        else:
            found = mixing_weights(rng, size, k, 2, 0.65)
        if dominant:
            found[:, :2] = -np.sort(-found[:, :2], 1)
        else:
            swap = rng.random(size) < 0.5
            found[swap, :2] = found[swap, 1::-1]
        return found

    def mixed(self, images: list[NDArray[np.int64]], moves: list[Moves], weights: Floats, rng: Any) -> Floats:
        """|Mixtures| float32 (size, H, W, C) on [-1, 1] of private images int64 (size,) and public ones."""
        size, k = weights.shape
        x = np.zeros((size, *self.private.shape[1:]), np.float32)
        for j in range(k):
            if j < len(images):
                part = moves[j].applied(scaled(self.private[images[j]]))
            else:
                part = scaled(self.public[rng.integers(0, len(self.public), size)])
            x += weights[:, j, None, None, None] * (2 * part - 1)
        return np.abs(x)

    def draw(self, rng: np.random.Generator, size: int) -> MovedBatch:
        """A release of `size` encodings of images of one class and of others."""
        c = self.config
        motion, k = self.motion(rng), int(rng.integers(c.k[0], c.k[1] + 1))
        weights = self.weights(rng, size, k, dominant=False)
        odds = np.array([len(x) for x in self.of_class]) / len(self.private)
        candidates = self.of_class[rng.choice(len(self.of_class), p=odds)]
        few = rng.choice(candidates, min(max(2, size // c.per_image), len(candidates)), replace=False)
        first, second = few[rng.integers(0, len(few), size)], rng.integers(0, len(self.private), size)
        both = rng.random(size) < c.same_class
        other = few[rng.integers(0, len(few), size)]
        both &= other != first
        second = np.where(both, other, second)
        moves = [motion(size), motion(size)]
        x = self.mixed([first, second], moves, weights, rng)
        mass = np.where(both, weights[:, :2].sum(1) / 2, weights[:, 0]).astype(np.float32)
        share = (1 - weights[:, :2].sum(1)).astype(np.float32)
        facts = Facts(torch.from_numpy(mass), torch.from_numpy(share), torch.from_numpy(both), known=True, moved=True)
        images = np.stack([first, np.where(both, second, -1)], 1)
        return MovedBatch(PairBatch(planes(x), torch.from_numpy(images), facts), moves[0])


def scaled(images: Uints) -> Floats:
    """Of the same shape, in [0, 1]."""
    found: Floats = images.astype(np.float32) / np.float32(255)
    return found


def planes(x: Floats) -> Tensor:
    """(n, H, W, C) -> float32 (n, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def sorted_coefficients(rng: np.random.Generator, size: int, k: int) -> Floats:
    """float32 (size, k) uniform numbers over their sum, falling; the largest below 0.65, the first two above 0.3."""
    out = np.zeros((size, k))
    todo = np.arange(size)
    while len(todo):
        x = -np.sort(-rng.random((len(todo), k)), 1)
        out[todo] = x / x.sum(1, keepdims=True)
        todo = todo[(k > 2) & ((out[todo, 0] >= 0.65) | (out[todo, :2].sum(1) <= 0.3))]
    return out.astype(np.float32)


def accepted(rng: np.random.Generator, eps: float, size: int) -> NDArray[np.float64]:
    """Degrees (size,) by which copies are turned at a level of `ANGLES`; one in fifty is not."""
    levels = ANGLES[eps]
    degrees = np.interp(rng.random(size), np.linspace(0, 1, len(levels)), levels)
    turned: NDArray[np.float64] = degrees * rng.choice([-1.0, 1.0], size) * (rng.random(size) >= 0.02)
    return turned
