"""A fresh uniform pad for every image: perfectly secret, a null control for encodings of any shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ihaudit import FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class OneTimePad(Scheme):
    """Adds a uniform pad of its own to every image, modulo 1, and throws the pad away; the label is released.

    The encoding is uniform noise whatever the image is (Shannon 1949), though every row is made of one image and says
    which class it has.

    Parameters:
        form: shape of an encoding: as the image, a map of half its size, rows of it as vectors, or one vector.
    """

    form: Literal["image", "map", "tokens", "vector"] = "image"

    scheme_name = "One-time pad"
    kind = "null: a fresh pad for every image"
    secrets = "the pads"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n, h, w, c = images.shape
        encodings = (images + rng.random(images.shape, dtype=np.float32)) % 1
        if self.form == "map":
            encodings = encodings[:, : h - h % 2, : w - w % 2]
            blocks = encodings.reshape(n, h // 2, 2, w // 2, 2, c).swapaxes(2, 3)
            encodings = blocks.reshape(n, h // 2, w // 2, 4 * c)
        elif self.form == "tokens":
            encodings = encodings.reshape(n, h, w * c)
        elif self.form == "vector":
            encodings = encodings.reshape(n, h * w * c)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(encodings.astype(np.float32), one_hot, provenance=Provenance(np.arange(n)[:, None]))
