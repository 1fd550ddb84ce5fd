"""A null that moves its images, as far as it says: labels mix two images, encodings hold none (for `nulls`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from ihaudit import Augmentation, FloatArray, IntArray, Release, Scheme


@dataclass
class MovedNull(Scheme):
    """Encodings that hold nothing, with the weighted labels of two private images.

    Parameters:
        values: ``noise``, normal; ``cipher``, uniform values; ``smooth``, another smooth random picture under random
            signs in every encoding, so that attacks on sign masks do not decline at once.
        epochs: encodings per private image.
        declared: whether crops of 4 pixels and mirrors are stated.
    """

    values: Literal["noise", "cipher", "smooth"] = "noise"
    epochs: int = 20
    declared: bool = True

    scheme_name = "Null under motion"
    kind = "null"
    secrets = "the images"

    def __post_init__(self) -> None:
        self.augmentation = Augmentation(shift=4.0, mirror=True) if self.declared else None

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        count, n = len(images) * self.epochs, len(images)
        shape = (count, *images.shape[1:])
        drawn = rng.uniform(-1, 1, shape) if self.values == "cipher" else rng.standard_normal(shape) / 2
        if self.values == "smooth":
            pictures = gaussian_filter(drawn, (0, 3, 3, 0))
            drawn = pictures * (0.5 / pictures.std()) * rng.choice([-1, 1], shape)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        soft = np.zeros((count, one_hot.shape[1]), np.float32)
        weights = np.abs(rng.standard_normal((count, 6))).astype(np.float32)
        weights /= weights.sum(1, keepdims=True)
        for slot in range(2):
            order = np.concatenate([rng.permutation(n) for _ in range(self.epochs)])
            soft += weights[:, slot, None] * one_hot[order]
        return Release(drawn.astype(np.float32), soft, image_range=(-1.0, 1.0))
