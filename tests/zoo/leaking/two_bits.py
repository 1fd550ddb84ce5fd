from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class TwoBits(Scheme):
    """Four grey levels are too few to recognise anybody."""

    key = "fixed"

    def encode(self, images, labels, public, rng):
        return Release(np.floor(images * 3.999) / 3, np.eye(labels.max() + 1, dtype=np.float32)[labels])
