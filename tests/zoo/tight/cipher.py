from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class Cipher(Scheme):
    """Adds fresh secret values modulo 1 to every image."""

    def encode(self, images, labels, public, rng):
        return Release(
            ((images + rng.random(images.shape)) % 1).astype(np.float32),
            np.eye(labels.max() + 1, dtype=np.float32)[labels],
        )
