"""A secret random projection: encodings are vectors, shorter than the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class RandomProjection(Scheme):
    """Multiplies every image by one secret Gaussian matrix and releases the product, a vector of fewer values.

    Distances between images survive (Johnson and Lindenstrauss), which is the point of it; so do inner products, and as
    many known images as there are values give the matrix.

    Parameters:
        ratio: length of the vector as a share of the image's values.
        fresh: a matrix of its own for every image instead of one for the release.
    """

    ratio: float = 0.5
    fresh: bool = False

    claims = (Claim("ssim", 0.3, quantile=0.9, text="without the matrix the vector says nothing about the picture"),)
    scheme_name = "Random projection"
    kind = "linear map, vectors"
    secrets = "the matrix"
    security_parameter = "ratio"

    def __post_init__(self) -> None:
        self.key = "image" if self.fresh else "release"
        if not 0 < self.ratio <= 1:
            raise ValueError(f"ratio={self.ratio:g} must lie in (0, 1]")

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n = len(images)
        flat = images.reshape(n, -1) - np.float32(0.5)
        length = max(1, round(self.ratio * flat.shape[1]))
        encodings = np.empty((n, length), np.float32)
        for part in np.split(np.arange(n), n) if self.fresh else [np.arange(n)]:
            matrix = rng.standard_normal((flat.shape[1], length), dtype=np.float32) / np.sqrt(length, dtype=np.float32)
            encodings[part] = flat[part] @ matrix
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(encodings, one_hot, provenance=Provenance(np.arange(n)[:, None]))
