"""Secret signs on the coefficients of a cosine transform, as in scrambling that keeps JPEG files small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import dctn, idctn

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class DCTSigns(Scheme):
    """Flips the signs of the cosine coefficients of every 8 x 8 block by one secret pattern, and transforms back.

    Magnitudes of all coefficients are in the open, and one known image gives the signs.

    Parameters:
        block: edge of a block in pixels; 0 transforms the whole image.
    """

    block: int = 8

    claims = (Claim("ssim", 0.3, quantile=0.9, text="people cannot recognise the pictures"),)
    scheme_name = "DCT signs"
    kind = "keyed transform"
    secrets = "the signs"
    key = "release"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n, h, w, c = images.shape
        b = self.block or max(h, w)
        if self.block and (h % b or w % b):
            raise ValueError(f"block={b} does not divide images of {h} x {w}")
        rows, columns = (b, b) if self.block else (h, w)
        grid = images.reshape(n, h // rows, rows, w // columns, columns, c)
        coefficients = dctn(grid, axes=(2, 4), norm="ortho")
        signs = rng.choice(np.array([-1, 1], np.float32), coefficients.shape[1:])
        encodings = idctn(coefficients * signs, axes=(2, 4), norm="ortho").reshape(images.shape)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(encodings.astype(np.float32), one_hot, provenance=Provenance(np.arange(n)[:, None]))
