"""Encryption-then-compression (Kiya and others): blocks turned, negated, recoloured and shuffled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class EncryptionThenCompression(Scheme):
    """Turns and mirrors each block, negates it, permutes its channels, and shuffles the blocks (EtC).

    Inside a block the picture is whole, so that a jigsaw solver puts it together (Chuman, Kurihara and Kiya, ICASSP
    2017; later solvers undo turns, negatives and colours too).  Under one key a few known images give everything.

    Parameters:
        block: edge of a block in pixels; must divide the image.
        fresh: a key of its own for every image instead of one for the release.
    """

    block: int = 8
    fresh: bool = False

    claims = (Claim("ssim", 0.3, quantile=0.9, text="people cannot recognise the pictures"),)
    scheme_name = "EtC"
    kind = "block scrambling"
    published_break = (
        "SIA-GAN (IEEE Access 2021): LPIPS .207 to .207, so not by it; jigsaw solvers (2202.00806, 2211.02369)"
    )
    secrets = "order, rotation, mirroring, negation and channel order of the blocks"
    security_parameter = "block"

    def __post_init__(self) -> None:
        self.key = "image" if self.fresh else "release"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n, h, w, c = images.shape
        b = self.block
        if h % b or w % b:
            raise ValueError(f"block={b} does not divide images of {h} x {w}")
        grid = images.reshape(n, h // b, b, w // b, b, c).swapaxes(2, 3)
        blocks = grid.reshape(n, -1, b, b, c)
        encodings = np.empty_like(blocks)
        for i in range(n):
            if i == 0 or self.fresh:
                places = rng.permutation(blocks.shape[1])
                turns, mirrored, negated = (rng.integers(0, m, len(places)) for m in (4, 2, 2))
                channels = rng.random((len(places), c)).argsort(axis=1)
            for place, source in enumerate(places):
                block = np.rot90(blocks[i, source], turns[place])
                block = block[:, ::-1] if mirrored[place] else block
                encodings[i, place] = (1 - block if negated[place] else block)[..., channels[place]]
        encodings = encodings.reshape(grid.shape).swapaxes(2, 3).reshape(images.shape)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(encodings, one_hot, provenance=Provenance(np.arange(n)[:, None]))
