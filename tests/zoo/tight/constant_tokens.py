from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class ConstantTokens(Scheme):
    """The same tokens whatever the image."""

    key = "release"

    def encode(self, images, labels, public, rng):
        return Release(
            np.broadcast_to(rng.normal(size=(1, 16, 32)), (len(images), 16, 32)).astype(np.float32),
            np.eye(labels.max() + 1, dtype=np.float32)[labels],
        )
