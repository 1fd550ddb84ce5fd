"""InstaHide as its authors' training code runs it: images cropped and mirrored anew in every epoch, before mixing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ihaudit import Augmentation, Provenance, Release
from ihaudit.schemes.instahide import Floats, InstaHide, Ints

#: What that code normalises by: the private images' channels by CIFAR-10's, the public ones' by ImageNet's.
CIFAR_MEAN, CIFAR_DEVIATION = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised(images: Floats, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Floats:
    """Images (n, H, W, C) in [0, 1] by mean and deviation of each channel; by their averages where not in colour."""
    if images.shape[3] != len(mean):
        mean, deviation = (float(np.mean(mean)),), (float(np.mean(deviation)),)
    centre, spread = np.array(mean, np.float32), np.array(deviation, np.float32)
    result: Floats = (images - centre) / spread
    return result


@dataclass
class InstaHideDeployed(InstaHide):
    """InstaHide with the data augmentation that its authors' own training code switches on.

    In every epoch each private image is cropped at random from itself padded by `padding` black pixels and mirrored
    with probability one half; that one copy serves in all its roles of the epoch.  Then images are normalised by the
    mean and deviation of their data set and mixed and masked as in `instahide`.  Public images are taken as they are
    given, which stands for the one crop of each that the code draws for a whole run.

    Parameters:
        mode: ``cross`` mixes two private images with k - 2 public ones (k = 6, their coefficients sum to at least 0.3),
            ``inside`` k private images (k = 4).
        k: images in an encoding; 0 for what the mode says.
        epochs: passes over the private images (T).
        padding: black pixels around an image before it is cropped; 0 for no crop.
        flip: whether images are mirrored.
        scaling: ``mean-std`` as in that code, or ``symmetric`` for [-1, 1].
    """

    mode: Literal["cross", "inside"] = "cross"
    k: int = 0
    epochs: int = 200
    padding: int = 4
    flip: bool = True
    scaling: Literal["mean-std", "symmetric"] = "mean-std"

    scheme_name = "InstaHide (deployed)"
    kind = "augmentation, mixing, sign masks"
    published_break = "none in print for crops and mirrors; Luo and others, AAAI 2022, for rotations"
    secrets = "the sign masks, which images are mixed in which encoding, and how each copy was cropped and mirrored"

    def __post_init__(self) -> None:
        self.k = self.k or (4 if self.mode == "inside" else 6)
        if self.mode == "inside":
            self.private_per_encoding, self.min_private = self.k, 0.0
        if self.augment or self.rotate:
            raise ValueError("augment and rotate belong to instahide; this scheme crops by padding and mirrors by flip")
        if not 0 <= self.padding <= 64:
            raise ValueError(f"padding must lie in 0..64 pixels, not {self.padding}")
        super().__post_init__()
        self.augmentation = Augmentation(shift=float(self.padding), mirror=self.flip)
        if not self.augmentation.moves:
            self.augmentation = None

    def encode(self, images: Floats, labels: Ints, public: Floats, rng: np.random.Generator) -> Release:
        n, private, others = len(images), self.private_per_encoding, self.k - self.private_per_encoding
        if others and not len(public):
            raise ValueError(f"k={self.k} mixes in {others} public images, and there are none; give some with --public")
        draws, bounds = self._draws(rng), (-1.0, 1.0)
        theirs = 2 * public - 1
        if self.scaling == "mean-std":
            theirs = normalised(public, IMAGENET_MEAN, IMAGENET_DEVIATION)
            ends = np.stack([np.full((1, 1, images.shape[3]), v, np.float32) for v in (0, 1)])
            ends = normalised(ends, CIFAR_MEAN, CIFAR_DEVIATION)
            bounds = (float(ends.min()), float(ends.max()))
        count = n * self.epochs
        encodings = np.empty((count, *images.shape[1:]), np.float32)
        masks = np.empty(encodings.shape, np.int8)
        sources, used = np.empty((count, private), np.int64), np.empty((count, others), np.int64)
        weights = np.empty((count, self.k), np.float32)
        for start in range(0, count, n):
            rows = slice(start, start + n)
            moved = self._copies(images, draws.integers(2 * self.padding + 1, n, 2), draws.uniform(n, 1)[:, 0])
            mine = 2 * moved - 1
            if self.scaling == "mean-std":
                mine = normalised(moved, CIFAR_MEAN, CIFAR_DEVIATION)
            weights[rows] = self._coefficients(draws, n)
            sources[rows] = np.stack([draws.permutation(n) for _ in range(private)], 1)
            if others:
                used[rows] = draws.integers(len(public), n, others)
            masks[rows] = draws.signs((n, *images.shape[1:]))
            mixed = np.zeros((n, *images.shape[1:]), np.float32)
            for slot in range(self.k):
                x = mine[sources[rows, slot]] if slot < private else theirs[used[rows, slot - private]]
                mixed += weights[rows, slot, None, None, None] * x
            encodings[rows] = np.abs(mixed) if self.release_abs else mixed * masks[rows]
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        soft = np.zeros((count, one_hot.shape[1]), np.float32)
        for slot in range(private):
            soft += weights[:, slot, None] * one_hot[sources[:, slot]]
        return Release(
            encodings,
            soft,
            image_range=bounds,
            provenance=Provenance(
                sources,
                weights[:, :private],
                None if self.release_abs else masks,
                used if others else None,
                weights[:, private:] if others else None,
            ),
        )

    def _copies(self, images: Floats, corners: Ints, chance: np.ndarray) -> Floats:
        """One moved copy of each image: a window of it padded by black, at `corners` (n, 2), half of them mirrored."""
        n, height, width, _ = images.shape
        p = self.padding
        padded = np.pad(images, ((0, 0), (p, p), (p, p), (0, 0)))
        rows = corners[:, :1] + np.arange(height)
        columns = corners[:, 1:] + np.arange(width)
        if self.flip:
            columns = np.where(chance[:, None] < 0.5, columns[:, ::-1], columns)
        moved: Floats = padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
        return moved
