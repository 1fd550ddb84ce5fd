"""The same image for everything: a null control."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import FloatArray, IntArray, Release, Scheme


@dataclass
class Constant(Scheme):
    """Releases one grey image per private image, whatever that is, and no labels.  Nothing can be learnt from it.

    Parameters:
        value: the grey, in [0, 1].
    """

    value: float = 0.5

    scheme_name = "Constant"
    kind = "null: one image for everything"
    secrets = "the images and their labels"
    key = "fixed"  # nothing is drawn

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 1:
            raise ValueError(f"value must lie in [0, 1], not {self.value:g}")

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        return Release(np.full(images.shape, self.value, np.float32))
