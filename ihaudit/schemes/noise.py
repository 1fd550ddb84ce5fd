"""Noise that is independent of the images: a null control."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import FloatArray, IntArray, Release, Scheme


@dataclass
class Noise(Scheme):
    """Releases uniform noise in [0, 1], independent of images and labels, and no labels.  Nothing can be learnt from
    it.

    Parameters:
        epochs: noise images released per private image.
    """

    epochs: int = 1

    scheme_name = "Independent noise"
    kind = "null: independent noise"
    secrets = "the images and their labels"

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError("epochs must be at least 1")

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        return Release(rng.random((len(images) * self.epochs, *images.shape[1:]), dtype=np.float32))
