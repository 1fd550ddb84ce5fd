"""Pixelation, and DP-Pix (Fan, DBSec 2018): block means, with noise of the Laplace mechanism where epsilon is set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class Pixelation(Scheme):
    """Replaces each block by its mean; with `epsilon` Laplace noise is added to every mean (DP-Pix).

    The noise protects images that differ in at most `m` pixels: scale m / (block^2 epsilon) in units of the images'
    range.

    Parameters:
        block: edge of a block in pixels; must divide the image.
        epsilon: of DP-Pix; 0 adds no noise.
        m: pixels in which neighbouring images differ.
    """

    block: int = 4
    epsilon: float = 0.0
    m: int = 16

    claims = (Claim("ssim", 0.7, quantile=0.9, text="detail below the block is lost"),)
    scheme_name = "Pixelation"
    kind = "lossy filter"
    published_break = (
        "recognised by networks (McPherson and others, 1609.00408); DP-Pix holds at the right size (2512.16086)"
    )
    secrets = "nothing: the detail is meant to be lost"
    security_parameter = "block"

    def __post_init__(self) -> None:
        self.key = "image" if self.epsilon > 0 else "fixed"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n, h, w, c = images.shape
        b = self.block
        if h % b or w % b:
            raise ValueError(f"block={b} does not divide images of {h} x {w}")
        means = images.reshape(n, h // b, b, w // b, b, c).mean((2, 4))
        if self.epsilon > 0:
            means = np.clip(means + rng.laplace(0, self.m / (b * b * self.epsilon), means.shape), 0, 1)
        encodings = means.repeat(b, axis=1).repeat(b, axis=2).astype(np.float32)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(encodings, one_hot, provenance=Provenance(np.arange(n)[:, None]))
