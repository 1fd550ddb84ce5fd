"""Pixels of every image in one secret order: the simplest keyed encoding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class PixelPermutation(Scheme):
    """Moves the pixels of all images of a release by one secret permutation; values and channels stay.

    An exact copy of each image but for the order: whoever knows a few images of the release reads the order off, and
    correlations between positions, which survive, give it away without any.

    Parameters:
        channels: permute values instead of pixels, so that the three channels of a pixel are torn apart.
    """

    channels: bool = False

    claims = (Claim("ssim", 0.3, quantile=0.9, text="the arrangement of the pixels, and so the picture, stays secret"),)
    scheme_name = "Pixel permutation"
    kind = "permutation"
    published_break = "known plaintexts (Li and others 2008)"
    secrets = "the order of the pixels"
    key = "release"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n = len(images)
        flat = images.reshape(n, -1) if self.channels else images.reshape(n, -1, images.shape[-1])
        encodings = flat[:, rng.permutation(flat.shape[1])].reshape(images.shape)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(encodings, one_hot, provenance=Provenance(np.arange(n)[:, None]))
