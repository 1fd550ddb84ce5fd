from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class TablePerPixel(Scheme):
    """A secret table of bytes for every pixel."""

    key = "release"

    def encode(self, images, labels, public, rng):
        one_hot = np.eye(labels.max() + 1, dtype=np.float32)[labels]
        n, h, w, c = images.shape
        x = np.round(images * 255).astype(np.int64).reshape(n, -1)
        tables = np.argsort(rng.random((h * w * c, 256)), axis=1).astype(np.uint8)
        out = tables[np.arange(h * w * c)[None], x].reshape(n, h, w, c)
        return Release(out, one_hot)
