from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class Hill(Scheme):
    """Four pixels in a row times one secret matrix modulo 256 (Hill's cipher)."""

    key = "release"

    def encode(self, images, labels, public, rng):
        n, h, w, c = images.shape
        plain = np.round(images * 255).astype(np.int64).reshape(n, -1, 4)
        matrix = rng.integers(256, size=(4, 4))
        while round(np.linalg.det(matrix)) % 2 == 0:  # it has no inverse
            matrix = rng.integers(256, size=(4, 4))
        out = plain @ matrix.T % 256
        return Release(
            (out.reshape(n, h, w, c) / 255).astype(np.float32), np.eye(labels.max() + 1, dtype=np.float32)[labels]
        )
