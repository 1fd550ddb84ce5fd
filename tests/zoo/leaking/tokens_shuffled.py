from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, Release, Scheme


@dataclass
class PatchTokens(Scheme):
    """Patches through two random layers, places added, tokens shuffled for every image."""

    width: int = 96
    claims = (Claim("reid", 0.05),)
    secrets = "weights and positional vectors; the order of patches"
    key = "release"

    def encode(self, images, labels, public, rng):
        n, h, w, c = images.shape
        p = 7
        x = images.reshape(n, h // p, p, w // p, p, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, -1, p * p * c)
        a = rng.standard_normal((x.shape[2], self.width)) / np.sqrt(x.shape[2])
        b = rng.standard_normal((self.width, self.width)) / np.sqrt(self.width)
        pos = rng.standard_normal((x.shape[1], self.width))
        z = np.maximum(np.maximum(x @ a, 0) @ b + pos, 0)
        z = np.stack([t[rng.permutation(len(t))] for t in z])
        return Release(z.astype(np.float32), np.eye(int(labels.max()) + 1, dtype=np.float32)[labels])
