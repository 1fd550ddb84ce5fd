"""A one-time pad that is used more than once: every marginal test passes, and everything leaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class ReusedPad(Scheme):
    """Adds one uniform pad per data set, modulo 1: x + r mod 1 with the same r for all images of a call.

    Each single encoding is exactly uniform, so that histograms and Kolmogorov-Smirnov tests find nothing; the
    difference of two encodings is the difference of the images, and one known image gives the pad away.
    """

    scheme_name = "Reused pad"
    kind = "pad"
    published_break = "textbook: a pad used twice"
    secrets = "the pad"
    key = "release"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n = len(images)
        pad = rng.random(images.shape[1:], dtype=np.float32)
        encodings = images + pad
        encodings -= encodings >= 1  # the sum lies in [0, 2)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(encodings, one_hot, provenance=Provenance(np.arange(n)[:, None], np.ones((n, 1), np.float32)))
