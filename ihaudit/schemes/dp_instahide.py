"""DP-InstaHide (Borgnia and others, 2103.02079): MixUp with Laplace noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class DPInstaHide(Scheme):
    """Averages k private images with random coefficients and adds Laplace noise to every value.

    Its privacy is that of the noise; mixing is undone as in MixUp by whoever has several encodings of each image, and
    many encodings average the noise away.

    Parameters:
        k: images mixed into one encoding.
        scale: of the Laplace noise, in units of the images' range.
        epochs: passes over the private images.
    """

    k: int = 4
    scale: float = 0.03
    epochs: int = 10

    claims = (Claim("ssim", 0.3, quantile=0.9, text="noise and mixing keep every image private"),)
    scheme_name = "DP-InstaHide"
    kind = "mixing, noise"
    secrets = "which images are mixed, and the noise"
    security_parameter = "scale"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n = len(images)
        sources = np.concatenate([np.stack([rng.permutation(n) for _ in range(self.k)], 1) for _ in range(self.epochs)])
        lam = rng.dirichlet(np.ones(self.k), len(sources)).astype(np.float32)
        encodings = np.zeros((len(sources), *images.shape[1:]), np.float32)
        soft = np.zeros((len(sources), int(labels.max()) + 1), np.float32)
        for slot in range(self.k):
            encodings += lam[:, slot, None, None, None] * images[sources[:, slot]]
            np.add.at(soft, (np.arange(len(sources)), labels[sources[:, slot]]), lam[:, slot])
        encodings += np.asarray(rng.laplace(0, self.scale, encodings.shape), np.float32)
        return Release(np.clip(encodings, 0, 1), soft, provenance=Provenance(sources, lam))
