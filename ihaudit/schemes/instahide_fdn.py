"""InstaHide as Luo et al. (AAAI 2022, "Fusion-Denoising Attack on InstaHide with Data Augmentation") attack it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit import Augmentation, Provenance, Release
from ihaudit.schemes.instahide import Draws, Floats, InstaHide, Ints

_PROPOSALS = 256  # turned at once
_ATTEMPTS, _HOPELESS = 60, 4  # batches of proposals for one image, and so many without any that passes


@dataclass
class InstaHideFdn(InstaHide):
    """InstaHide with the augmentation and the coefficients of the code released with the fusion-denoising attack.

    Each private image has `epochs` copies: itself, and turned copies (nearest pixel, black beyond the border) such that
    about every second inner pixel, drawn at random, finds one of exactly its colour among the copy's pixels within half
    of eps.  (That code proposes crops and shifts too; hardly any passes this test.)  Every copy is mixed once as the
    first image, with the largest coefficient, and once as the second.  Coefficients are uniform numbers divided by
    their sum, in falling order, drawn again while the largest reaches `max_lambda` or the first two sum to
    `min_private` or less.

    Parameters:
        k: images mixed into one encoding, two of them private.
        epochs: copies of each private image, and encodings in which it is the first one.
        eps: how far a pixel may move, as a share of the side.
    """

    k: int = 6
    epochs: int = 50
    eps: float = 0.1

    scheme_name = "InstaHide (eps-augmented)"
    kind = "augmentation, mixing, sign masks"
    published_break = "Luo and others, AAAI 2022: SSIM .64 by their own statistic"
    secrets = "the sign masks, which copies are mixed in which encoding, and how they were turned"

    def __post_init__(self) -> None:
        if self.k < 3 or self.private_per_encoding != 2:
            raise ValueError(f"two of the images are private and some are public: k must be at least 3, not {self.k}")
        if self.augment or self.flip or self.rotate:
            raise ValueError("augment, flip and rotate belong to instahide; this scheme moves images by eps")
        if not 0 <= self.eps <= 0.5:
            raise ValueError(f"eps must lie in [0, 0.5], not {self.eps:g}")
        super().__post_init__()
        if self.eps:
            self.augmentation = Augmentation(rotation=min(180.0, _widest(self.eps)))

    def encode(self, images: Floats, labels: Ints, public: Floats, rng: np.random.Generator) -> Release:
        if not len(public):
            raise ValueError(f"k={self.k} mixes in {self.k - 2} public images, and there are none; use --public")
        draws, count = self._draws(rng), len(images) * self.epochs
        angles = np.concatenate([self._angles(image, draws) for image in images])
        copies = np.arange(count)
        both = np.stack([copies, draws.permutation(count)], 1)
        sources = both // self.epochs
        used = draws.integers(len(public), count, self.k - 2)
        weights = self._coefficients(draws, count).astype(np.float32)
        masks = draws.signs((count, *images.shape[1:]))
        encodings = np.zeros((count, *images.shape[1:]), np.float32)
        for start in range(0, count, _PROPOSALS):
            rows = slice(start, start + _PROPOSALS)
            for slot in range(self.k):
                if slot < 2:
                    x = nearest_turned(images[sources[rows, slot]], angles[both[rows, slot]])
                else:
                    x = public[used[rows, slot - 2]]
                encodings[rows] += weights[rows, slot, None, None, None] * (2 * x - 1)
        encodings = np.abs(encodings) if self.release_abs else encodings * masks
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        soft = weights[:, :1] * one_hot[sources[:, 0]] + weights[:, 1:2] * one_hot[sources[:, 1]]
        stated = None if self.release_abs else masks
        return Release(
            encodings,
            soft,
            image_range=(-1.0, 1.0),
            provenance=Provenance(sources, weights[:, :2], stated, used, weights[:, 2:]),
        )

    def _coefficients(self, draws: Draws, n: int) -> NDArray[np.float64]:
        """(n, k) rows in falling order that sum to 1 and keep the bounds; rows that break them are drawn again."""
        found = np.zeros((n, self.k))
        bad = np.ones(n, bool)
        for _ in range(1000):
            if not bad.any():
                return found
            x = draws.uniform(int(bad.sum()), self.k)
            found[bad] = -np.sort(-x / x.sum(1, keepdims=True), axis=1)
            bad = (found[:, 0] >= self.max_lambda) | (found[:, :2].sum(1) <= self.min_private)
        raise ValueError(
            f"coefficients for k={self.k} hardly ever keep max_lambda={self.max_lambda:g} "
            f"and min_private={self.min_private:g}; widen the bounds"
        )

    def _angles(self, image: Floats, draws: Draws) -> NDArray[np.float64]:
        """Degrees of `epochs` copies of an image (H, W, C), the first not turned."""
        found = [np.zeros(1)]
        for batch in range(_ATTEMPTS):
            had = sum(map(len, found))
            if had >= self.epochs or not self.eps or (batch == _HOPELESS and had == 1):
                break
            angles = _widest(self.eps) * (2 * draws.uniform(_PROPOSALS, 1)[:, 0] - 1)
            tested = draws.uniform(_PROPOSALS, image.shape[0] * image.shape[1]).reshape(-1, *image.shape[:2]) < 0.5
            turned = nearest_turned(np.repeat(image[None], _PROPOSALS, 0), angles)
            found.append(angles[near_enough(image, turned, tested, self.eps)])
        made = np.concatenate(found)
        return np.resize(made, self.epochs)


def _widest(eps: float) -> float:
    """Degrees beyond which hardly any turned copy passes: twice the angle that moves a border's middle by eps / 2."""
    return min(90.0, 2 * math.degrees(math.ceil(16 * eps) / 16)) if eps else 0.0


def nearest_turned(images: Floats, degrees: NDArray[np.float64]) -> Floats:
    """Images (n, H, W, C) turned about their middle by an angle each, nearest pixel, black beyond the border."""
    n, height, width, _ = images.shape
    angle = np.deg2rad(degrees)[:, None, None]
    y, x = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    at_y = np.rint(np.cos(angle) * y + np.sin(angle) * x + (height - 1) / 2).astype(np.int64)
    at_x = np.rint(np.cos(angle) * x - np.sin(angle) * y + (width - 1) / 2).astype(np.int64)
    inside = (at_y >= 0) & (at_y < height) & (at_x >= 0) & (at_x < width)
    taken = images[np.arange(n)[:, None, None], at_y.clip(0, height - 1), at_x.clip(0, width - 1)]
    result: Floats = taken * inside[..., None].astype(np.float32)
    return result


def near_enough(image: Floats, moved: Floats, tested: NDArray[np.bool_], eps: float) -> NDArray[np.bool_]:
    """Which copies (n, H, W, C) have, for each tested inner pixel of an image, one of its colour within half of eps."""
    half = math.ceil(int(len(image) * eps) / 2)
    height, width = image.shape[:2]
    inner = slice(half, height - half), slice(half, width - half)
    missing = tested[:, inner[0], inner[1]].copy()
    for down in range(-half, half):
        for along in range(-half, half):
            part = moved[:, half + down : height - half + down, half + along : width - half + along]
            missing &= (part != image[inner]).any(-1)
    found: NDArray[np.bool_] = ~missing.any((1, 2)) & (moved.sum((1, 2, 3)) != image.sum())
    return found
