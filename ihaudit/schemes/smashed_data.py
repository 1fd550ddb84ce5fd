"""Smashed data: what a client of split learning sends, here by a small convolutional network with random weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class SmashedData(Scheme):
    """Releases the feature maps of a small convolutional client: 3 x 3 convolutions with ReLU, the first with stride 2.

    Whoever has pairs of images and features learns the inverse (decoders in SIMBA, FORA, GLASS); convolution keeps
    things where they are, so that the picture survives.

    Parameters:
        layers: convolutions.
        width: channels of every layer.
        noise: standard deviation of Gaussian noise added to the features, in units of their own.
    """

    layers: int = 3
    width: int = 16
    noise: float = 0.0

    claims = (Claim("ssim", 0.3, quantile=0.9, text="features of the client do not show its images"),)
    scheme_name = "Smashed data"
    kind = "network, feature maps"
    published_break = "decoders of SIMBA, FORA (CVPR 2024), GLASS"
    secrets = "the weights of the client"
    security_parameter = "layers"
    key = "release"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n = len(images)
        x = images
        for layer in range(self.layers):
            stride = 2 if layer == 0 else 1
            c = x.shape[-1]
            weight = rng.standard_normal((9 * c, self.width)).astype(np.float32) * np.sqrt(
                2 / (9 * c), dtype=np.float32
            )
            padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::stride, ::stride]
            x = np.maximum(windows.reshape(*windows.shape[:3], 9 * c) @ weight, 0)
        x = x + np.float32(self.noise * x.std()) * rng.standard_normal(x.shape, dtype=np.float32)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(x, one_hot, provenance=Provenance(np.arange(n)[:, None]))
