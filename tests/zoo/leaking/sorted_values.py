from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class SortedValues(Scheme):
    """The values of every image, sorted: no pixel stands where it stood."""

    key = "fixed"

    def encode(self, images, labels, public, rng):
        return Release(
            np.sort(images.reshape(len(images), -1), axis=1), np.eye(labels.max() + 1, dtype=np.float32)[labels]
        )
