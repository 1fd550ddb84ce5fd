"""InstaHide-like mixtures to train and validate on, made on the fly from photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Pixels that every image is padded by (mirrored), so that shifted crops stay inside.
_PAD = 4


@dataclass(frozen=True)
class MixtureConfig:
    """What mixtures look like.

    Attributes:
        k: smallest and largest number of images in a mixture.
        max_lambda: coefficients |N(0, 1)| / sum are drawn again while the largest exceeds this (where k > 1 allows).
        loose: share of mixtures whose coefficients are not bounded so.
        private_share: chance that an image after the first comes from the private-like set.
        shift: chance that an image is shifted by up to 4 pixels.
        nothing_known: share of mixtures of which no part is known.
        wrong: chance that a known part holds an image that is not in the mixture.
        image_range: what images are mixed on.
    """

    k: tuple[int, int] = (2, 8)
    max_lambda: float = 0.65
    loose: float = 0.1
    private_share: float = 0.35
    shift: float = 0.25
    nothing_known: float = 0.5
    wrong: float = 0.2
    image_range: tuple[float, float] = (-1.0, 1.0)


@dataclass(frozen=True)
class Batch:
    """Signed mixtures (B, C, H, W) float32 in units of the images, the known part of each, where nothing is known."""

    mixture: Tensor
    known: Tensor
    blind: Tensor  # bool (B,)


class Mixtures:
    """A sampler over two pools of images; every batch is a function of the generator alone."""

    def __init__(self, private: NDArray[np.uint8], public: NDArray[np.uint8], config: MixtureConfig) -> None:
        """`private` and `public`: uint8 (N, H, W, C)."""
        self.config = config
        self.n_private = len(private)
        pool = np.concatenate([private, public]).transpose(0, 3, 1, 2)
        self.channels, self.side = pool.shape[1], (pool.shape[2], pool.shape[3])
        self.pool = np.pad(pool, ((0, 0), (0, 0), (_PAD, _PAD), (_PAD, _PAD)), mode="reflect")

    def coefficients(self, rng: np.random.Generator, size: int) -> NDArray[np.float32]:
        """(size, k_max) rows that sum to 1; columns past a row's own k are 0."""
        low, high = self.config.k
        k = rng.integers(low, high + 1, size)
        used = np.arange(high)[None] < k[:, None]
        bound = np.where(rng.random(size) < self.config.loose, 1.0, np.maximum(self.config.max_lambda, 1.05 / k))
        out = np.zeros((size, high))
        todo = np.arange(size)
        while len(todo):
            x = np.abs(rng.standard_normal((len(todo), high))) * used[todo]
            out[todo] = x / x.sum(1, keepdims=True)
            todo = todo[out[todo].max(1) > bound[todo]]
        return out.astype(np.float32)

    def _images(self, rng: np.random.Generator, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """(n, C, H, W): mirrored half the time, some shifted."""
        n = len(index)
        moved = rng.random(n) < self.config.shift
        top, left = (np.where(moved, rng.integers(0, 2 * _PAD + 1, n), _PAD) for _ in range(2))
        mirrored = rng.random(n) < 0.5
        rows = top[:, None] + np.arange(self.side[0])
        columns = left[:, None] + np.arange(self.side[1])
        columns = np.where(mirrored[:, None], columns[:, ::-1], columns)
        where = (index[:, None, None, None], np.arange(self.channels)[None, :, None, None], rows[:, None, :, None])
        return self.pool[(*where, columns[:, None, None, :])]

    def draw(self, rng: np.random.Generator, size: int) -> Batch:
        """One batch of `size` mixtures."""
        c = self.config
        weights = self.coefficients(rng, size)
        high = weights.shape[1]
        # One column more: an image that is not in the mixture, for known parts that are partly wrong.
        private = rng.random((size, high + 1)) < c.private_share
        private[:, 0] = True
        n_public = len(self.pool) - self.n_private
        index = np.where(
            private,
            rng.integers(0, self.n_private, private.shape),
            self.n_private + rng.integers(0, max(n_public, 1), private.shape) % max(n_public, 1),
        )
        images = self._images(rng, index.reshape(-1)).reshape(size, high + 1, self.channels, *self.side)
        x = torch.from_numpy(images).float().div_(127.5).sub_(1)
        low, top = c.image_range
        if (low, top) != (-1.0, 1.0):
            x.mul_((top - low) / 2).add_((top + low) / 2)
        mixture = torch.einsum("bk,bkchw->bchw", torch.from_numpy(weights), x[:, :high])

        blind = rng.random(size) < c.nothing_known
        # The brighter a coefficient the sooner an image is found; the first one is private and never known.
        order = rng.random((size, high)) / (weights + 1e-3)
        order[:, 0] = np.inf
        n_known = rng.integers(1, np.maximum((weights > 0).sum(1), 2))
        rank = order.argsort(1).argsort(1)
        known = (weights > 0) & (rank < n_known[:, None]) & (np.arange(high) > 0)
        estimate = weights * (1 + 0.1 * rng.standard_normal(weights.shape)) + 0.01 * rng.standard_normal(weights.shape)
        guess = np.zeros((size, high + 1))
        guess[:, :high] = np.where(known, np.maximum(estimate, 0), 0)
        guess[:, high] = np.where(rng.random(size) < c.wrong, rng.uniform(0.02, 0.25, size), 0)
        guess[blind] = 0
        part = torch.einsum("bk,bkchw->bchw", torch.from_numpy(guess.astype(np.float32)), x)
        return Batch(mixture, part, torch.from_numpy(blind))
