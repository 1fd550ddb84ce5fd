"""InstaHide's mixing, for networks: coefficients, mixtures drawn one by one, and whole releases of chosen images.

`ihaudit.schemes.instahide` is the scheme that audits encode with; here many mixtures are drawn at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Uints = NDArray[np.uint8]
Floats = NDArray[np.float32]

#: Pixels that images are padded by, and the most that they are shifted by.
PAD = 4


@dataclass(frozen=True)
class MixtureConfig:
    """What mixtures look like.

    Attributes:
        k: smallest and largest number of images in a mixture.
        max_lambda: coefficients |N(0, 1)| / sum are drawn again while the largest exceeds this (where k > 1 allows).
        loose: share of mixtures whose coefficients are not bounded so.
        private_share: chance that an image after the first comes from the private-like set.
        shift: chance that an image is shifted by up to `PAD` pixels.
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
class MixtureBatch:
    """Signed mixtures (B, C, H, W) float32 in units of the images, the known part of each, where nothing is known."""

    mixture: Tensor
    known: Tensor
    blind: Tensor  # bool (B,)

    def to(self, device: str) -> MixtureBatch:
        """The same batch on a device."""
        return MixtureBatch(self.mixture.to(device), self.known.to(device), self.blind.to(device))

    @staticmethod
    def join(parts: Sequence[MixtureBatch]) -> MixtureBatch:
        """All batches in one."""
        return MixtureBatch(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(MixtureBatch)))


def coefficients(
    rng: np.random.Generator,
    used: NDArray[np.bool_],
    largest: float | NDArray[np.floating] = 1.0,
    *,
    private: int = 0,
    least: float = 0.0,
) -> Floats:
    """Mixing weights |N(0, 1)| / sum, drawn again while they break a bound.

    Args:
        used: bool (n, k), the images that each mixture holds; the others' weights are 0.
        largest: what no weight may exceed, for all mixtures or float (n,).
        private, least: the weights of the first `private` images must add up to at least `least`.

    Returns:
        float32 (n, k), rows that sum to 1.
    """
    out = np.zeros(used.shape)
    largest = np.broadcast_to(largest, len(used))
    todo = np.arange(len(used))
    while len(todo):
        x = np.abs(rng.standard_normal((len(todo), used.shape[1]))) * used[todo]
        out[todo] = x / x.sum(1, keepdims=True)
        todo = todo[(out[todo].max(1) > largest[todo]) | (out[todo, :private].sum(1) < least)]
    return out.astype(np.float32)


@dataclass(frozen=True)
class MixedRelease:
    """A release of the reference kind before its masks: each epoch mixes every private image with another.

    Attributes:
        members: int64 (E, s) private images of each encoding.
        coefficients: float32 (E, k), those of the private images first; none above 0.65, private ones at least 0.3.
        mixtures: float32 (E, H, W, C) on [-1, 1].
    """

    members: NDArray[np.int64]
    coefficients: Floats
    mixtures: Floats


def mix_release(
    rng: np.random.Generator, private: Uints, public: Uints, epochs: int, k: int, *, slots: int = 2
) -> MixedRelease:
    """E = `epochs` * N mixtures of `slots` of `private` uint8 (N, H, W, C) and k - `slots` of `public` uint8
    (M, H, W, C)."""
    n = len(private)
    members = np.zeros((n * epochs, slots), np.int64)
    for at in range(0, len(members), n):
        for slot in range(slots):
            members[at : at + n, slot] = rng.permutation(n)
    weights = coefficients(rng, np.ones((len(members), k), bool), 0.65, private=slots, least=0.3 if slots else 0.0)
    x = np.zeros((len(members), *private.shape[1:]), np.float32)
    for j in range(k):
        image = private[members[:, j]] if j < slots else public[rng.integers(0, len(public), len(members))]
        x += weights[:, j, None, None, None] * (image.astype(np.float32) / 127.5 - 1)
    return MixedRelease(members, weights, x)


def crops(padded: Uints, index: NDArray[np.int64], top: Any, left: Any, mirrored: Any = False) -> Uints:
    """(n, C, H, W) crops of images `index` int64 (n,) of `padded` (N, C, H + 2 PAD, W + 2 PAD).

    `top` and `left`: where they begin, int (n,); `mirrored`: which are turned left to right, bool (n,).
    """
    channels, height, width = padded.shape[1], padded.shape[2] - 2 * PAD, padded.shape[3] - 2 * PAD
    rows, columns = (np.asarray(at)[:, None] + np.arange(size) for at, size in ((top, height), (left, width)))
    columns = np.where(np.asarray(mirrored)[..., None], columns[:, ::-1], columns)
    where = (index[:, None, None, None], np.arange(channels)[None, :, None, None], rows[:, None, :, None])
    found: Uints = padded[(*where, columns[:, None, None, :])]
    return found


class Mixtures:
    """A sampler over two pools of images; every batch is a function of the generator alone."""

    def __init__(self, private: Uints, public: Uints, config: MixtureConfig) -> None:
        """`private` and `public`: uint8 (N, H, W, C)."""
        self.config = config
        self.n_private = len(private)
        pool = np.concatenate([private, public]).transpose(0, 3, 1, 2)
        self.channels, self.side = pool.shape[1], (pool.shape[2], pool.shape[3])
        self.pool = np.pad(pool, ((0, 0), (0, 0), (PAD, PAD), (PAD, PAD)), mode="reflect")

    def coefficients(self, rng: np.random.Generator, size: int) -> Floats:
        """(size, k_max) rows that sum to 1; columns past a row's own k are 0."""
        low, high = self.config.k
        k = rng.integers(low, high + 1, size)
        bound = np.where(rng.random(size) < self.config.loose, 1.0, np.maximum(self.config.max_lambda, 1.05 / k))
        return coefficients(rng, np.arange(high)[None] < k[:, None], bound)

    def images(self, rng: np.random.Generator, private: NDArray[np.bool_]) -> Tensor:
        """float32 (*private.shape, C, H, W) on [-1, 1]: random images of either pool, mirrored half the time, some
        shifted."""
        n, n_public = private.size, max(len(self.pool) - self.n_private, 1)
        index = np.where(
            private,
            rng.integers(0, self.n_private, private.shape),
            self.n_private + rng.integers(0, n_public, private.shape) % n_public,
        ).reshape(-1)
        moved = rng.random(n) < self.config.shift
        top, left = (np.where(moved, rng.integers(0, 2 * PAD + 1, n), PAD) for _ in range(2))
        x = torch.from_numpy(crops(self.pool, index, top, left, rng.random(n) < 0.5))
        return x.view(*private.shape, *x.shape[1:]).float().div_(127.5).sub_(1)

    def draw(self, rng: np.random.Generator, size: int) -> MixtureBatch:
        """One batch of `size` mixtures."""
        c = self.config
        weights = self.coefficients(rng, size)
        high = weights.shape[1]
        # One column more: an image that is not in the mixture, for known parts that are partly wrong.
        private = rng.random((size, high + 1)) < c.private_share
        private[:, 0] = True
        x = self.images(rng, private)
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
        return MixtureBatch(mixture, part, torch.from_numpy(blind))
