from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class RegionsShuffled(Scheme):
    """Pixels change places inside regions of 4 x 4, and channels too, anew for every image."""

    def encode(self, images, labels, public, rng):
        n, h, w, c = images.shape
        x = images.reshape(n, h // 4, 4, w // 4, 4, c).swapaxes(2, 3).reshape(n, -1, 16, c)
        order = rng.random((n, x.shape[1], 16)).argsort(axis=2)
        x = np.take_along_axis(x, order[..., None], axis=2)
        channels = rng.random((n, 1, 1, c)).argsort(axis=3)
        x = np.take_along_axis(x, np.broadcast_to(channels, x.shape), axis=3)
        return Release(
            x.reshape(n, h // 4, w // 4, 4, 4, c).swapaxes(2, 3).reshape(images.shape),
            np.eye(labels.max() + 1, dtype=np.float32)[labels],
        )
