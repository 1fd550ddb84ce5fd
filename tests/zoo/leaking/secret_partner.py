from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class SecretPartner(Scheme):
    """Each image is averaged with half of a secret partner of the same release."""

    def encode(self, images, labels, public, rng):
        order = rng.permutation(len(images))
        one = np.eye(labels.max() + 1, dtype=np.float32)
        return Release((images + images[order] / 2) / 1.5, (one[labels] + one[labels[order]] / 2) / 1.5)
