"""InstaHide (Huang, Song, Li, Arora, ICML 2020), cross-dataset."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ihaudit import Augmentation, Claim, Provenance, Release, Scheme

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_BLOCK = 128  # encodings mixed at once: what fits a processor cache


def turned(images: Floats, degrees: NDArray[np.float64]) -> Floats:
    """Images (n, H, W, C) turned about their middle by an angle each, bilinear; beyond the border they are mirrored."""
    n, height, width, _ = images.shape
    angle = np.deg2rad(degrees)[:, None, None]
    y, x = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    at_y = np.cos(angle) * y + np.sin(angle) * x + (height - 1) / 2
    at_x = np.cos(angle) * x - np.sin(angle) * y + (width - 1) / 2
    low_y, low_x = np.floor(at_y).astype(np.int64), np.floor(at_x).astype(np.int64)
    out = np.zeros_like(images)
    row = np.arange(n)[:, None, None]
    for up, along in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part_y, part_x = (low_y + up, low_x + along)
        weight = (1 - np.abs(at_y - part_y)) * (1 - np.abs(at_x - part_x))
        inside_y, inside_x = (
            np.minimum(np.abs(p) % (2 * (size - 1)), 2 * (size - 1) - np.abs(p) % (2 * (size - 1)))
            for p, size in ((part_y, height), (part_x, width))
        )
        out += weight[..., None].astype(np.float32) * images[row, inside_y, inside_x]
    return out


class Draws(Protocol):
    """The random choices that InstaHide makes, whatever generator makes them."""

    def normal(self, rows: int, columns: int) -> NDArray[np.float64]:
        """Independent N(0, 1)."""

    def permutation(self, n: int) -> Ints:
        """A uniform permutation of 0..n-1."""

    def integers(self, n: int, rows: int, columns: int) -> Ints:
        """Uniform in 0..n-1."""

    def uniform(self, rows: int, columns: int) -> NDArray[np.float64]:
        """Uniform in [0, 1)."""

    def signs(self, shape: tuple[int, ...]) -> NDArray[np.int8]:
        """Uniform in {-1, +1}."""


class SecureDraws:
    """A cryptographic stream: SHAKE-256 of 32 bytes of the `rng` that encode was handed.

    Whoever lacks those 32 bytes cannot tell the stream from random, unlike PCG64's own output, which a few numbers
    give away; and an audit can be repeated from its seed, unlike with os.urandom.  In production the key is
    `os.urandom(32)`.
    """

    def __init__(self, key: bytes) -> None:
        self._key, self._count = key, 0

    def _bytes(self, n: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._key + self._count.to_bytes(8, "little")).digest(n)

    def _words(self, n: int) -> NDArray[np.uint64]:
        return np.frombuffer(self._bytes(8 * n), np.uint64)

    def uniform(self, rows: int, columns: int) -> NDArray[np.float64]:
        return (self._words(rows * columns) >> np.uint64(11)).reshape(rows, columns).astype(np.float64) * 2.0**-53

    def normal(self, rows: int, columns: int) -> NDArray[np.float64]:
        # Box-Muller; 1 - u keeps the logarithm finite.
        radius = np.sqrt(-2 * np.log(1 - self.uniform(rows, columns)))
        result: NDArray[np.float64] = radius * np.cos(2 * np.pi * self.uniform(rows, columns))
        return result

    def permutation(self, n: int) -> Ints:
        return np.argsort(self._words(n), kind="stable")

    def integers(self, n: int, rows: int, columns: int) -> Ints:
        # The bias of the modulus is below n / 2^64.
        return (self._words(rows * columns) % np.uint64(n)).astype(np.int64).reshape(rows, columns)

    def signs(self, shape: tuple[int, ...]) -> NDArray[np.int8]:
        size = int(np.prod(shape))
        bits = np.unpackbits(np.frombuffer(self._bytes(-(-size // 8)), np.uint8), count=size)
        return (1 - 2 * bits.view(np.int8)).reshape(shape)


class NumpyDraws:
    """numpy's legacy global generator (Mersenne Twister), as much research code uses it: NOT secure."""

    def __init__(self, seed: int | None) -> None:
        if seed is not None:
            np.random.seed(seed)

    def uniform(self, rows: int, columns: int) -> NDArray[np.float64]:
        return np.random.random_sample((rows, columns))

    def normal(self, rows: int, columns: int) -> NDArray[np.float64]:
        return np.random.normal(size=(rows, columns))

    def permutation(self, n: int) -> Ints:
        return np.random.permutation(n)

    def integers(self, n: int, rows: int, columns: int) -> Ints:
        return np.random.randint(0, n, (rows, columns))

    def signs(self, shape: tuple[int, ...]) -> NDArray[np.int8]:
        return (2 * np.random.randint(0, 2, shape) - 1).astype(np.int8)


class TorchDraws(NumpyDraws):
    """torch.randperm and torch.randint for permutations and masks, numpy for the rest, both with the same seed: NOT
    secure.

    torch's CPU generator is a Mersenne Twister too, and keeps only 32 bits of its seed.
    """

    def __init__(self, seed: int | None) -> None:
        super().__init__(None if seed is None else seed & 0xFFFFFFFF)
        import torch

        self._torch = torch
        if seed is not None:
            torch.manual_seed(seed)

    def permutation(self, n: int) -> Ints:
        return self._torch.randperm(n).numpy()

    def signs(self, shape: tuple[int, ...]) -> NDArray[np.int8]:
        return (2 * self._torch.randint(2, shape) - 1).numpy().astype(np.int8)


@dataclass
class InstaHide(Scheme):
    """InstaHide, cross-dataset: each encoding mixes private images with public ones under a secret sign mask.

    An encoding is sigma * (lambda_1 x_a + lambda_2 x_b + sum_j lambda_j u_j) with images scaled to [-1, 1], u_j from
    the public set and sigma a fresh uniform sign per value; it is released with the label lambda_1 y_a + lambda_2
    y_b.  Coefficients are |N(0, 1)| divided by their sum, drawn again while the largest exceeds `max_lambda` or the
    private ones sum to less than `min_private`.  In each of `epochs` passes every private image is used once per
    private slot.

    Parameters:
        k: images mixed into one encoding (1: no mixing, only the mask; the bounds do not apply then).
        epochs: passes over the private images (T).
        private_per_encoding: how many of the k are private.
        max_lambda, min_private: the bounds above.
        augment: eps; before each use a private image is cropped, stretched and shifted at random such that no pixel
            moves by more than eps/2 of the width or height (Luo et al. 2022, Definition 1); 0 for none.
        flip: whether that augmentation also mirrors every other image left to right (which eps does not count).
        rotate: the augmentation also turns each image about its middle by a uniform angle of up to so many degrees.
        rng: ``secure``, ``numpy`` or ``torch``: what draws the random choices; the latter two are Mersenne Twisters.
        rng_seed: seeds ``numpy`` or ``torch`` at the start of every call; none leaves them seeded by the system.
        release_abs: release |encoding|, which is all that the mask leaves.
    """

    k: int = 6
    epochs: int = 50
    private_per_encoding: int = 2
    max_lambda: float = 0.65
    min_private: float = 0.3
    augment: float = 0.0
    flip: bool = False
    rotate: float = 0.0
    rng: Literal["secure", "numpy", "torch"] = "secure"
    rng_seed: int | None = None
    release_abs: bool = False

    scheme_name = "InstaHide"
    kind = "mixing, sign masks"
    published_break = "Carlini and others, S&P 2021; its masks in the challenge were predicted: Max_SSIM .98"
    claims = (
        Claim(
            "ssim",
            0.3,
            knows=("encodings", "labels", "distribution", "code"),
            text="no private image can be recovered visually (SSIM above 0.3) from the encodings and their labels",
        ),
    )
    secrets = "the sign masks, which images are mixed in which encoding, and the coefficients of the public ones"
    security_parameter = "k"

    def __post_init__(self) -> None:
        if self.k < 1 or self.epochs < 1:
            raise ValueError("k and epochs must be at least 1")
        if not 1 <= self.private_per_encoding <= self.k:
            raise ValueError(f"private_per_encoding must lie in 1..k, not {self.private_per_encoding} with k={self.k}")
        if self.k > 1 and self.max_lambda * self.k <= 1:
            raise ValueError(f"max_lambda={self.max_lambda:g} cannot hold for k={self.k} coefficients that sum to 1")
        if not 0 <= self.min_private < 1:
            raise ValueError(f"min_private must lie in [0, 1), not {self.min_private:g}")
        if not 0 <= self.augment <= 1:
            raise ValueError(f"augment must lie in [0, 1], not {self.augment:g}")
        if not 0 <= self.rotate <= 180:
            raise ValueError(f"rotate must lie in 0..180 degrees, not {self.rotate:g}")
        if self.augment or self.flip or self.rotate:
            self.augmentation = Augmentation(
                shift=self.augment / 2, mirror=self.flip, rotation=self.rotate, stretch=min(self.augment, 0.9)
            )
        if self.rng_seed is not None and not 0 <= self.rng_seed < 2**32:
            raise ValueError(f"rng_seed must lie in 0..2^32-1, not {self.rng_seed}")

    def encode(self, images: Floats, labels: Ints, public: Floats, rng: np.random.Generator) -> Release:
        n, count = len(images), len(images) * self.epochs
        private, others = self.private_per_encoding, self.k - self.private_per_encoding
        if others and not len(public):
            raise ValueError(f"k={self.k} mixes in {others} public images, and there are none; give some with --public")
        draws = self._draws(rng)
        sources = np.empty((count, private), np.int64)
        used = np.empty((count, others), np.int64)
        coefficients = np.empty((count, self.k))
        masks = np.empty((count, *images.shape[1:]), np.int8)
        for start in range(0, count, n):
            rows = slice(start, start + n)
            coefficients[rows] = self._coefficients(draws, n)
            for slot in range(private):
                sources[rows, slot] = draws.permutation(n)
            if others:
                used[rows] = draws.integers(len(public), n, others)
            masks[rows] = draws.signs((n, *images.shape[1:]))
        weights = coefficients.astype(np.float32)
        encodings = self._mix(images, public, sources, used, weights, draws)
        if self.release_abs:
            np.abs(encodings, out=encodings)
        else:
            encodings *= masks
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        soft = np.zeros((count, one_hot.shape[1]), np.float32)
        for slot in range(private):
            soft += weights[:, slot, None] * one_hot[sources[:, slot]]
        return Release(
            encodings,
            soft,
            image_range=(-1.0, 1.0),
            provenance=Provenance(
                sources,
                weights[:, :private],
                None if self.release_abs else masks,
                used if others else None,
                weights[:, private:] if others else None,
            ),
        )

    def _draws(self, rng: np.random.Generator) -> Draws:
        if self.rng == "numpy":
            return NumpyDraws(self.rng_seed)
        if self.rng == "torch":
            return TorchDraws(self.rng_seed)
        return SecureDraws(rng.bytes(32))

    def _coefficients(self, draws: Draws, n: int) -> NDArray[np.float64]:
        """(n, k) rows that sum to 1 and keep the bounds; rows that break them are drawn again."""

        def draw(rows: int) -> NDArray[np.float64]:
            x = np.abs(draws.normal(rows, self.k))
            result: NDArray[np.float64] = x / x.sum(1, keepdims=True)
            return result

        found = draw(n)
        if self.k == 1:
            return found
        for _ in range(1000):
            bad = (found.max(1) > self.max_lambda) | (found[:, : self.private_per_encoding].sum(1) < self.min_private)
            if not bad.any():
                return found
            found[bad] = draw(int(bad.sum()))
        raise ValueError(
            f"coefficients for k={self.k} hardly ever keep max_lambda={self.max_lambda:g} "
            f"and min_private={self.min_private:g}; widen the bounds"
        )

    def _mix(self, images: Floats, public: Floats, sources: Ints, used: Ints, weights: Floats, draws: Draws) -> Floats:
        """sum_j lambda_j image_j, images in [-1, 1], before the mask."""
        mine, theirs = 2 * images - 1, public
        moved = None
        if self.augment or self.flip:
            moved = [self._warp(draws, len(sources), *images.shape[1:3]) for _ in range(sources.shape[1])]
        angles = None
        if self.rotate:
            angles = self.rotate * (2 * draws.uniform(len(sources), sources.shape[1]) - 1)
        mixed = np.empty((len(sources), *images.shape[1:]), np.float32)
        for start in range(0, len(sources), _BLOCK):
            rows = slice(start, start + _BLOCK)
            total = np.zeros_like(mixed[rows])
            for slot in range(sources.shape[1]):
                x = mine[sources[rows, slot]]
                if moved is not None:
                    y_map, x_map = (m[rows] for m in moved[slot])
                    x = np.einsum("nij,njkc->nikc", y_map, x, optimize=True)
                    x = np.einsum("nlk,nikc->nilc", x_map, x, optimize=True)
                if angles is not None:
                    x = turned(x, angles[rows, slot])
                total += weights[rows, slot, None, None, None] * x
            for slot in range(used.shape[1]):
                w = weights[rows, sources.shape[1] + slot, None, None, None]
                total += w * (2 * theirs[used[rows, slot]] - 1)
            mixed[rows] = total
        return mixed

    def _warp(self, draws: Draws, count: int, height: int, width: int) -> tuple[Floats, Floats]:
        """Random crop, stretch and shift as one linear map per axis: (count, H, H) and (count, W, W) bilinear weights.

        The two ends of each axis are moved by independent uniform amounts within eps/2, and what lies between in
        proportion, so no pixel moves further than that.  Beyond the border the image is mirrored.
        """
        maps = []
        for size in (height, width):
            ends = (draws.uniform(count, 2) - 0.5) * self.augment * size
            place = np.linspace(0, 1, size)[None]
            at = np.arange(size) + ends[:, :1] * (1 - place) + ends[:, 1:] * place
            low = np.floor(at).astype(np.int64)
            part = at - low
            matrix = np.zeros((count, size, size), np.float32)
            rows = np.arange(count)[:, None], np.arange(size)[None]
            for index, weight in ((low, 1 - part), (low + 1, part)):
                index = np.abs(index)
                index = np.where(index >= size, 2 * (size - 1) - index, index)
                np.add.at(matrix, (*rows, index), weight)
            maps.append(matrix)
        if self.flip:
            mirrored = draws.uniform(count, 1)[:, 0] < 0.5
            maps[1][mirrored] = maps[1][mirrored][:, ::-1]
        return maps[0], maps[1]
