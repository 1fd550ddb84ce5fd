"""What an adversary knows about a plain image: concepts for Theorem 4, and codes for likelihood ratios.

Concepts are the signs of principal components, split at the median: balanced on the pool they were made on, and
nearly uncorrelated.  Families: ``raw`` (of the pooled image in the scheme's range) and ``magnitude`` (of its absolute
value, which a sign mask leaves alone).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ihaudit.games.learners.features import Float32, is_image, pool2d
from ihaudit.release import FloatArray

FAMILIES = ("raw", "magnitude")


@dataclass(frozen=True, eq=False)
class Components:
    """Standardised principal components of one family: float32 mean (F,), directions (F, d), and medians (d,)."""

    family: str
    mean: Float32
    directions: Float32
    medians: Float32
    side: int

    def code(self, images: FloatArray) -> Float32:
        """Images (R, H, W, C) in the scheme's range -> float32 (R, d), each coordinate of unit variance."""
        return np.asarray((_view(images, self.family, self.side) - self.mean) @ self.directions, np.float32)

    def bits(self, images: FloatArray) -> NDArray[np.int8]:
        """The concepts h_1..h_d: int8 (R, d) in {-1, +1}."""
        return np.where(self.code(images) > self.medians, 1, -1).astype(np.int8)


def _view(images: FloatArray, family: str, side: int) -> Float32:
    x = np.abs(images) if family == "magnitude" else images
    x = pool2d(x, side) if is_image(x.shape[1:]) else np.asarray(x, np.float32)
    return x.reshape(len(x), -1)


def components(images: FloatArray, family: str, count: int = 64, side: int = 8) -> Components:
    """Fit on images (R, H, W, C) in the scheme's range; fewer than `count` where the images have lower rank."""
    f = _view(images, family, side)
    mean = f.mean(0)
    values, vectors = np.linalg.eigh(np.cov(f - mean, rowvar=False, bias=True).astype(np.float64))
    order = np.argsort(-values)[:count]
    order = order[values[order] > 1e-7 * max(float(values.max()), 1e-30)]
    directions = (vectors[:, order] / np.sqrt(values[order])).astype(np.float32)
    out = Components(family, mean, directions, np.zeros(len(order), np.float32), side)
    return replace(out, medians=np.median(out.code(images), axis=0))
