from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class PrincipalComponents(Scheme):
    """The 64 principal components of the data set; the rest is dropped for privacy."""

    key = "release"

    def encode(self, images, labels, public, rng):
        flat = images.reshape(len(images), -1)
        flat = flat - flat.mean(axis=0)
        _, _, directions = np.linalg.svd(flat, full_matrices=False)
        return Release(flat @ directions[:64].T, np.eye(labels.max() + 1, dtype=np.float32)[labels])
