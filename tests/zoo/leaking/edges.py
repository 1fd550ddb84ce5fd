from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class EdgeMap(Scheme):
    """Only the edges of the pictures are published."""

    key = "fixed"

    def encode(self, images, labels, public, rng):
        grey = np.pad(images.mean(axis=3), ((0, 0), (1, 1), (1, 1)), mode="edge")
        across = grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]
        down = grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]
        return Release(
            np.hypot(across, down)[..., None].astype(np.float32), np.eye(labels.max() + 1, dtype=np.float32)[labels]
        )
