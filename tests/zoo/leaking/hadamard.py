from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class SignedHadamard(Scheme):
    """Random signs, then a Hadamard transform of the whole image, as one long vector."""

    key = "release"

    def encode(self, images, labels, public, rng):
        flat = images.reshape(len(images), -1)
        size = 1 << (flat.shape[1] - 1).bit_length()
        x = np.zeros((len(flat), size), np.float32)
        x[:, : flat.shape[1]] = flat * rng.choice([-1, 1], size=flat.shape[1]).astype(np.float32)
        step = 1
        while step < size:
            y = x.reshape(len(x), -1, 2, step)
            x = np.stack([y[:, :, 0] + y[:, :, 1], y[:, :, 0] - y[:, :, 1]], axis=2).reshape(len(x), size)
            step *= 2
        return Release(
            x[:, rng.permutation(size)] / np.float32(np.sqrt(size)), np.eye(labels.max() + 1, dtype=np.float32)[labels]
        )
