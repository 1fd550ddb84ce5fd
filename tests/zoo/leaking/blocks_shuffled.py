from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class BlocksShuffled(Scheme):
    """Blocks of 16 x 16 pixels in a new order for every image, some turned, some negated."""

    def encode(self, images, labels, public, rng):
        _n, h, w, _c = images.shape
        out = np.empty_like(images)
        places = [(y, x) for y in range(0, h, 16) for x in range(0, w, 16)]
        for i, image in enumerate(images):
            for (y, x), j in zip(places, rng.permutation(len(places))):
                v, u = places[j]
                block = np.rot90(image[v : v + 16, u : u + 16], rng.integers(4))
                out[i, y : y + 16, x : x + 16] = 1 - block if rng.random() < 0.5 else block
        return Release(out, np.eye(labels.max() + 1, dtype=np.float32)[labels])
