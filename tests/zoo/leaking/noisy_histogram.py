from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class Histogram(Scheme):
    """Only the histogram of grey values in 32 bins, with Laplace noise of scale 2, is published."""

    bins: int = 32
    scale: float = 2.0
    secrets = "everything but the counts"

    def encode(self, images, labels, public, rng):
        n = len(images)
        idx = np.minimum((images.reshape(n, -1) * self.bins).astype(int), self.bins - 1)
        h = np.stack([np.bincount(r, minlength=self.bins) for r in idx]).astype(np.float64)
        return Release((h + rng.laplace(0, self.scale, h.shape)).astype(np.float32), None)
