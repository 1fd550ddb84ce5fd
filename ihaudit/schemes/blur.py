"""Gaussian blur, as on faces in published photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class Blur(Scheme):
    """Blurs every image by a Gaussian and rounds it to 8 bits.

    There is no secret in it.  What blur takes from fine detail is small but not zero, and rounding takes the rest: the
    inverse filter gets back what is above it (McPherson and others, 1609.00408; Privacy Blur, 2512.16086).

    Parameters:
        sigma: of the Gaussian, in pixels.
        rounded: round to 8 bits, as files do.
    """

    sigma: float = 2.0
    rounded: bool = True

    claims = (Claim("ssim", 0.7, quantile=0.9, text="the blurred picture cannot be sharpened again"),)
    scheme_name = "Blur"
    kind = "lossy filter"
    published_break = (
        "reversed through its rounding (Privacy Blur, 2512.16086); faces re-identified (Revelio, 2506.12344: 95.9 %)"
    )
    secrets = "nothing: the detail is meant to be lost"
    key = "fixed"  # nothing is drawn
    security_parameter = "sigma"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n = len(images)
        encodings = gaussian_filter(images, (0, self.sigma, self.sigma, 0), mode="nearest")
        if self.rounded:
            encodings = np.rint(encodings * 255) / 255
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(encodings.astype(np.float32), one_hot, provenance=Provenance(np.arange(n)[:, None]))
