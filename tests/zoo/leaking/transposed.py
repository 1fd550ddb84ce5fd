from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class Transposed(Scheme):
    """Swaps rows and columns, and says nothing about a key."""

    def encode(self, images, labels, public, rng):
        return Release(np.ascontiguousarray(images.swapaxes(1, 2)), np.eye(labels.max() + 1, dtype=np.float32)[labels])
