"""Schemes that give nothing away, with much around their encodings that a suspicious auditor could stumble over."""

import zlib
from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class Honest(Scheme):
    """Publishes noise, or what a fresh one-time pad makes of the images, which is as good."""

    how: str = "doubles"

    def encode(self, images, labels, public, rng):
        n = len(images)
        soft = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        y = rng.random(images.shape)
        extra, span = {}, (0.0, 1.0)
        if self.how == "doubles":
            pass
        elif self.how == "halves":
            y = y.astype(np.float16)
        elif self.how == "classes":
            extra = {"classes": labels, "counts": np.bincount(labels)}
        elif self.how == "nonces":
            extra = {"nonces": rng.integers(0, 256, (n, 16), dtype=np.uint8), "version": np.array([1, 2])}
        elif self.how == "pad-elsewhere":
            y = np.round(images * 255).astype(np.uint8) ^ rng.integers(0, 256, images.shape, dtype=np.uint8)
            extra, span = {"checks": rng.integers(0, 256, images.shape, dtype=np.uint8)}, (0.0, 255.0)
        elif self.how == "packed-noise":
            extra = {"log": np.frombuffer(zlib.compress(rng.bytes(500) * n), np.uint8)}
        elif self.how == "smoothed-labels":
            soft = 0.9 * soft + 0.1 * rng.dirichlet(np.ones(soft.shape[1]), n)
        elif self.how == "mixed-labels":
            lam = rng.beta(1, 1, (n, 1))
            soft = lam * soft + (1 - lam) * soft[rng.permutation(n)]
        elif self.how == "two-rows":
            y = rng.random((2 * n, *images.shape[1:]))
            soft = np.repeat(soft, 2, 0)
        elif self.how == "one-share":
            y = (images + y) % 1.0
        elif self.how == "range-of-noise":
            span = (float(y.min()), float(y.max()))
        elif self.how == "label-vectors":
            y = soft @ np.random.default_rng(3).standard_normal((soft.shape[1], 64))
        elif self.how == "zeros":
            y = np.where(rng.random(images.shape) < 0.5, -0.0, 0.0)
        else:
            raise ValueError(f"how={self.how} is none of them")
        return Release(y, soft, span, extra)
