"""An encoding that depends on the label alone: hides everything about an image but its class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class LabelOnly(Scheme):
    """Releases a fixed random pattern per class plus fresh noise, and the label: useful to learn from, and silent on
    the image.

    The trivial scheme of the impossibility theorem's discussion (Carlini et al. 2021): since the encoding is a
    function of the label, it is not decomposable, and it is no image encoding in any useful sense.

    Parameters:
        noise: standard deviation of the fresh noise.
    """

    noise: float = 0.1

    scheme_name = "Label only"
    kind = "null: a pattern per class"
    secrets = "the images, but not their labels"
    decomposable = False

    def __post_init__(self) -> None:
        if not 0 <= self.noise < float("inf"):
            raise ValueError(f"noise must be a standard deviation of 0 or more, not {self.noise:g}")

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        classes = int(labels.max()) + 1
        # A public convention of the scheme, the same in every call.
        patterns = np.random.default_rng(0).random((classes, *images.shape[1:]), dtype=np.float32)
        encodings = patterns[labels]
        encodings += np.float32(self.noise) * rng.standard_normal(images.shape, dtype=np.float32)
        one_hot = np.eye(classes, dtype=np.float32)[labels]
        return Release(encodings, one_hot, provenance=Provenance(np.full((len(images), 1), -1)))
