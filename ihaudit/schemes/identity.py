"""No encoding at all: the strongest positive control."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class Identity(Scheme):
    """Releases the private images and their labels as they are.  Every attack and game must break it."""

    scheme_name = "Identity"
    kind = "none: the images themselves"
    secrets = "nothing"
    key = "fixed"  # nothing is drawn

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n = len(images)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(images, one_hot, provenance=Provenance(np.arange(n)[:, None], np.ones((n, 1), np.float32)))
