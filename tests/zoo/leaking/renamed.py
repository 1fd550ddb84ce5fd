from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class Renamed(Scheme):
    """4 x 4 patches become numbers of the nearest of 128 patches; each image has names of its own."""

    key = "image"

    def encode(self, images, labels, public, rng):
        n, h, w, c = images.shape
        x = images.reshape(n, h // 4, 4, w // 4, 4, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, -1, 16 * c)
        fixed = np.random.default_rng(9)
        book = fixed.random((128, 1)) + 0.25 * fixed.standard_normal((128, 16 * c)) * fixed.random((128, 1))
        book = np.clip(book, 0, 1)
        near = ((x * x).sum(2)[:, :, None] - 2 * x @ book.T + (book * book).sum(1)).argmin(2)
        named = np.stack([rng.permutation(128)[row] for row in near])
        return Release(named.astype(np.int32), None)
