"""MixUp (Zhang et al., ICLR 2018) used as if it hid images: a positive control."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit import FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class MixUp(Scheme):
    """Mixes k private images with random coefficients and releases the mixture and the mixed label, without any mask.

    Never claimed to be private; the authors of InstaHide show that it is not.  Coefficients are |N(0, 1)| divided by
    their sum, drawn again while the largest exceeds `max_lambda`.

    Parameters:
        k: images mixed into one encoding.
        epochs: passes over the private images; each uses every image k times.
        max_lambda: the largest coefficient allowed (ignored for k = 1).
    """

    k: int = 2
    epochs: int = 10
    max_lambda: float = 0.8

    scheme_name = "MixUp"
    kind = "mixing"
    published_break = "Carlini and others, S&P 2021, section 4.5"
    secrets = "which images are mixed in which encoding"
    security_parameter = "k"

    def __post_init__(self) -> None:
        if self.k < 1 or self.epochs < 1:
            raise ValueError("k and epochs must be at least 1")
        if self.k > 1 and self.max_lambda * self.k <= 1:
            raise ValueError(f"max_lambda={self.max_lambda:g} cannot hold for k={self.k} coefficients that sum to 1")

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n = len(images)
        sources = np.concatenate([np.stack([rng.permutation(n) for _ in range(self.k)], 1) for _ in range(self.epochs)])
        lam = self._coefficients(len(sources), rng)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        soft = np.zeros((len(sources), one_hot.shape[1]), np.float32)
        encodings = np.zeros((len(sources), *images.shape[1:]), np.float32)
        for slot in range(self.k):
            encodings += lam[:, slot, None, None, None] * images[sources[:, slot]]
            soft += lam[:, slot, None] * one_hot[sources[:, slot]]
        return Release(encodings, soft, provenance=Provenance(sources, lam))

    def _coefficients(self, rows: int, rng: np.random.Generator) -> NDArray[np.float32]:
        lam = np.abs(rng.standard_normal((rows, self.k)))
        lam /= lam.sum(1, keepdims=True)
        while self.k > 1 and (bad := lam.max(1) > self.max_lambda).any():
            fresh = np.abs(rng.standard_normal((int(bad.sum()), self.k)))
            lam[bad] = fresh / fresh.sum(1, keepdims=True)
        return lam.astype(np.float32)
