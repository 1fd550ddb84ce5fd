"""Releases to train and judge pair networks on, made from photographs, with known provenance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.nn.mixtures import PAD, Uints, coefficients, crops
from ihaudit.nn.similarity import Facts


@dataclass(frozen=True)
class ReleaseConfig:
    """The range that each batch, a small release of its own, is drawn from.

    Attributes:
        k: smallest and largest number of images in an encoding.
        private: numbers of labelled private images per encoding and their odds; 0 stands for all of them.
        max_lambda: range of the bound on coefficients |N(0, 1)| / sum.
        image_range: what images are mixed on.
        plain: share of releases of images on `image_range`; others are normalised by a drawn mean and deviation.
        moved: share of releases whose images are shifted by up to `PAD` pixels.
        unknown: share of releases whose labels tell no coefficients.
        same_class: chance that an encoding's second image has the class of the first.
        any_class: share of releases in which classes say nothing of the images.
        per_image: encodings per image in a batch, on average.
    """

    k: tuple[int, int] = (2, 10)
    private: tuple[tuple[int, float], ...] = ((1, 0.1), (2, 0.7), (3, 0.06), (4, 0.04), (0, 0.1))
    max_lambda: tuple[float, float] = (0.5, 0.9)
    image_range: tuple[float, float] = (-1.0, 1.0)
    plain: float = 0.6
    moved: float = 0.15
    unknown: float = 0.1
    same_class: float = 0.1
    any_class: float = 0.25
    per_image: int = 8


#: The reference benchmark: k = 6, two private images, [-1, 1], no augmentation.
REFERENCE = ReleaseConfig(
    k=(6, 6),
    private=((2, 1.0),),
    max_lambda=(0.65, 0.65),
    plain=1.0,
    moved=0.0,
    unknown=0.0,
    same_class=0.1,
    any_class=0.0,
)


@dataclass(frozen=True)
class PairBatch:
    """Encodings of images of one class.

    Attributes:
        magnitude: float32 (B, C, H, W), |encodings|.
        images: int64 (B, 2), the images of the class in each, -1 for none.
        facts: what labels would say of the slot.
    """

    magnitude: Tensor
    images: Tensor
    facts: Facts

    def to(self, device: str) -> PairBatch:
        """The same batch on a device."""
        f = self.facts
        facts = Facts(f.mass.to(device), f.share.to(device), f.shared.to(device), f.known, f.moved)
        return PairBatch(self.magnitude.to(device), self.images.to(device), facts)

    def shares(self) -> Tensor:
        """bool (B, B): do two encodings share an image of the class?"""
        a = self.images
        same = (a[:, None, :, None] == a[None, :, None, :]) & (a >= 0)[:, None, :, None]
        return same.flatten(2).any(2)


class Releases:
    """A sampler over labelled private-like images and public ones; every batch is a function of the generator alone."""

    def __init__(self, private: Uints, labels: NDArray[np.integer], public: Uints, config: ReleaseConfig) -> None:
        """`private` uint8 (N, H, W, C) with int (N,) classes; `public` uint8 (M, H, W, C)."""
        self.config = config
        self.n_private = len(private)
        self.pool = np.concatenate([private, public]).transpose(0, 3, 1, 2).copy()
        self.of_class = [np.nonzero(labels == c)[0] for c in np.unique(labels)]
        self.odds = np.array([len(c) for c in self.of_class], float) / len(labels)

    def draw(self, rng: np.random.Generator, size: int) -> PairBatch:
        """A release of `size` encodings."""
        c = self.config
        k = int(rng.integers(c.k[0], c.k[1] + 1))
        choice, odds = zip(*c.private)
        slots = int(rng.choice(choice, p=np.array(odds) / sum(odds)))
        slots = k if slots == 0 else min(slots, k)
        weights = mixing_weights(rng, size, k, slots, rng.uniform(*c.max_lambda))
        known, moved = bool(rng.random() >= c.unknown), bool(rng.random() < c.moved)
        if rng.random() < c.any_class:
            candidates = np.arange(self.n_private)
        else:
            candidates = self.of_class[rng.choice(len(self.of_class), p=self.odds)]
        few = rng.choice(candidates, min(max(2, size // c.per_image), len(candidates)), replace=False)

        index = np.empty((size, k), np.int64)
        index[:, :slots] = rng.integers(0, self.n_private, (size, slots))
        index[:, slots:] = self.n_private + rng.integers(0, len(self.pool) - self.n_private, (size, k - slots))
        index[:, 0] = few[rng.integers(0, len(few), size)]
        images = np.full((size, 2), -1, np.int64)
        images[:, 0] = index[:, 0]
        mass = weights[:, 0].copy()
        both = np.zeros(size, bool)
        if slots == 2:
            both = rng.random(size) < c.same_class
            other = few[rng.integers(0, len(few), size)]
            both &= other != index[:, 0]  # one permutation per slot seldom pairs an image with itself
            index[both, 1] = images[both, 1] = other[both]
            mass[both] = weights[both, :2].sum(1) / 2
        share = 1 - weights[:, :slots].sum(1)
        if not known:
            mass[:], share[:] = 0.4 / max(slots, 1), 0.6
        x = self._mix(rng, index, weights, moved)
        low, high = c.image_range
        scale, offset = (high - low) / 2, (high + low) / 2
        if rng.random() >= c.plain:  # (image - mean) / deviation instead of a known range
            scale, offset = 0.5 / rng.uniform(0.2, 0.6), rng.uniform(-0.15, 0.15)
        x = np.abs(x * np.float32(scale) + np.float32(offset))
        facts = Facts(
            torch.from_numpy(mass), torch.from_numpy(share.astype(np.float32)), torch.from_numpy(both), known, moved
        )
        return PairBatch(torch.from_numpy(x), torch.from_numpy(images), facts)

    def _mix(
        self, rng: np.random.Generator, index: NDArray[np.int64], weights: NDArray[np.float32], moved: bool
    ) -> NDArray[np.float32]:
        """Mixtures float32 (size, C, H, W) of images on [-1, 1]."""
        size, k = index.shape
        x = np.zeros((size, *self.pool.shape[1:]), np.float32)
        flip = rng.random() < 0.5  # whole releases are mirrored: the network must not know left from right
        for j in range(k):
            part = self.pool[index[:, j]]
            if moved:
                part = shifted(rng, part)
            x += weights[:, j, None, None, None] * part
        x = x / 127.5 - weights.sum(1)[:, None, None, None]
        return np.ascontiguousarray(x[..., ::-1]) if flip else x


def mixing_weights(rng: np.random.Generator, size: int, k: int, slots: int, bound: float) -> NDArray[np.float32]:
    """float32 (size, k) rows that sum to 1: none above `bound` if k images allow that, the first `slots` not faint."""
    bound = max(bound, 1.1 / k) if k > 1 else 1.0
    least = 0.3 if 1 < slots < k else 0.1
    return coefficients(rng, np.ones((size, k), bool), bound, private=slots, least=least)


def shifted(rng: np.random.Generator, images: Uints) -> Uints:
    """Random crops of images uint8 (n, C, H, W) padded by `PAD` black pixels."""
    n = len(images)
    padded = np.pad(images, ((0, 0), (0, 0), (PAD, PAD), (PAD, PAD)))
    top, left = rng.integers(0, 2 * PAD + 1, (2, n))
    return crops(padded, np.arange(n), top, left)
