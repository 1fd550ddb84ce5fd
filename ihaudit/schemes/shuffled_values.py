"""The values of every image in an order of its own, as one vector: no key to find, and a histogram that stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class ShuffledValues(Scheme):
    """Puts the values of each image into a random order that is drawn for it alone and thrown away.

    Where a value stood is gone for good; which values there are is not, and whoever holds the picture recognises it by
    them.
    """

    claims = (Claim("reid", 0.2, text="fewer than one image in five is recognised in its vector"),)
    scheme_name = "Shuffled values"
    kind = "permutation, fresh for every image"
    secrets = "the order of the values of every image"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n = len(images)
        encodings = rng.permuted(images.reshape(n, -1), axis=1)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(encodings, one_hot, provenance=Provenance(np.arange(n)[:, None]))
