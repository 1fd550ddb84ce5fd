"""Shuffled patches with mixed sub-patches, for vision transformers without positions (Hao and others, 2306.03679)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class BlockScramble(Scheme):
    """Shuffles the patches of each image afresh and mixes the pixels inside every patch by one keyed permutation.

    The order of the patches is thrown away (a transformer without positions does not need it); within a patch
    sub-patches change places in the same way for the whole release.  Its authors rest the claim on the hardness of
    jigsaw puzzles.

    Parameters:
        patch: edge of a patch in pixels; must divide the image.
        sub: edge of a sub-patch in pixels; must divide `patch`; `patch` itself leaves patches whole.
    """

    patch: int = 8
    sub: int = 2

    claims = (Claim("ssim", 0.3, quantile=0.9, text="the picture cannot be put together again"),)
    scheme_name = "Block scramble"
    kind = "block scrambling"
    secrets = "the order of the patches of every image, and that of sub-patches inside a patch"
    security_parameter = "patch"
    key = "release"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n, h, w, c = images.shape
        p, s = self.patch, self.sub
        if h % p or w % p or p % s:
            raise ValueError(f"patch={p} must divide images of {h} x {w}, and sub={s} must divide patch")
        grid = images.reshape(n, h // p, p, w // p, p, c).swapaxes(2, 3)
        patches = grid.reshape(n, -1, p // s, s, p // s, s, c).swapaxes(3, 4).reshape(n, -1, (p // s) ** 2, s, s, c)
        patches = patches[:, :, rng.permutation((p // s) ** 2)]
        order = rng.random((n, patches.shape[1])).argsort(axis=1)
        patches = np.take_along_axis(patches, order[:, :, None, None, None, None], axis=1)
        joined = patches.reshape(n, -1, p // s, p // s, s, s, c).swapaxes(3, 4)
        encodings = joined.reshape(grid.shape).swapaxes(2, 3).reshape(images.shape)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(np.ascontiguousarray(encodings), one_hot, provenance=Provenance(np.arange(n)[:, None]))
