"""Pixel-based image encryption (Sirichotedumrong, Kinoshita and Kiya, IEEE Access 2019): negation and channel order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class PixelEncryption(Scheme):
    """Negates each value of an image (1 - v) where a key bit says so, and permutes the channels of each pixel (PE).

    The key is the same for all images of a release, or fresh for every image (`fresh`, RandPE), where folding each
    value at one half removes it.  Every pixel stays where it was.  Broken with unpaired images in SIA-GAN (IEEE Access
    2021).

    Parameters:
        fresh: a key of its own for every image.
    """

    fresh: bool = False

    claims = (
        Claim("ssim", 0.3, quantile=0.9, text="people cannot recognise the pictures, networks can be trained on them"),
    )
    scheme_name = "Pixel encryption"
    kind = "negation and channels by pixel"
    published_break = "SIA-GAN (IEEE Access 2021): LPIPS .326 to .163; fresh (RandPE): .323 to .151"
    secrets = "which values are negated and the order of the channels at each pixel"

    def __post_init__(self) -> None:
        self.key = "image" if self.fresh else "release"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n, h, w, c = images.shape
        keys = n if self.fresh else 1
        negated = rng.integers(0, 2, (keys, h, w, c)).astype(bool)
        order = rng.random((keys, h, w, c)).argsort(axis=3)
        mixed = np.where(negated, 1 - images, images)
        encodings = np.take_along_axis(mixed, np.broadcast_to(order, images.shape), axis=3)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(encodings.astype(np.float32), one_hot, provenance=Provenance(np.arange(n)[:, None]))
