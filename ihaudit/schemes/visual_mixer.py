"""Shuffled pixels within regions and shuffled channels, as in VisualMixer (NDSS 2024, 2404.04098)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class VisualMixer(Scheme):
    """Shuffles the pixels inside every region of an image, and each pixel's channels with them, afresh for every image.

    Regions are squares; those of an image have the edge that hides most for least (the original chooses edges by an
    entropy of visual features, here: the smallest at which the pixels of regions spread by `spread`).  What
    lies in which region stays, so that a picture of the region's size remains.

    Parameters:
        smallest, largest: edges of regions that may be chosen; powers of two that divide the image.
        spread: mean standard deviation of the values inside regions that is enough, in units of the images' range.
    """

    smallest: int = 4
    largest: int = 16
    spread: float = 0.15

    claims = (Claim("ssim", 0.3, quantile=0.9, text="people cannot recognise the pictures, networks can be trained"),)
    scheme_name = "Visual mixer"
    kind = "block scrambling"
    secrets = "the order of pixels inside every region, and that of channels"
    security_parameter = "largest"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n, h, w, c = images.shape
        if h % self.largest or w % self.largest or self.smallest > self.largest:
            raise ValueError(f"largest={self.largest} must divide images of {h} x {w} and be no less than smallest")
        encodings = np.empty_like(images)
        for i, image in enumerate(images):
            edge = self.smallest
            while edge < self.largest and _regions(image, edge).std(axis=1).mean() < self.spread:
                edge *= 2
            regions = _regions(image, edge)
            order = rng.random(regions.shape[:2]).argsort(axis=1)
            mixed = np.take_along_axis(regions, order[:, :, None], axis=1)
            mixed = np.take_along_axis(mixed, rng.random(mixed.shape).argsort(axis=2), axis=2)
            grid = mixed.reshape(h // edge, w // edge, edge, edge, c).swapaxes(1, 2)
            encodings[i] = grid.reshape(h, w, c)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(encodings, one_hot, provenance=Provenance(np.arange(n)[:, None]))


def _regions(image: FloatArray, edge: int) -> FloatArray:
    """(regions, edge * edge, C) of an image (H, W, C)."""
    h, w, c = image.shape
    grid = image.reshape(h // edge, edge, w // edge, edge, c).swapaxes(1, 2)
    return grid.reshape(-1, edge * edge, c)
