from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class Nibbles(Scheme):
    """Splits bytes of 4 x 4 blocks into halves, negates some and permutes all by one key."""

    key = "release"

    def encode(self, images, labels, public, rng):
        n, h, w, c = images.shape
        plain = np.round(images * 255).astype(np.uint8)
        x = plain.reshape(n, h // 4, 4, w // 4, 4, c).swapaxes(2, 3).reshape(n, h // 4, w // 4, -1)
        halves = np.concatenate([x >> 4, x & 15], axis=-1)
        halves = np.where(rng.random(halves.shape[-1]) < 0.5, 15 - halves, halves)
        halves = halves[..., rng.permutation(halves.shape[-1])]
        x = halves[..., : 16 * c] << 4 | halves[..., 16 * c :]
        x = x.reshape(n, h // 4, w // 4, 4, 4, c).swapaxes(2, 3).reshape(images.shape)
        return Release(x.astype(np.float32) / 255, np.eye(labels.max() + 1, dtype=np.float32)[labels])
