"""Learnable image encryption (Tanaka, ICCE-TW 2018): 4-bit halves of small blocks, permuted and negated by one key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class LearnableEncryption(Scheme):
    """Splits the bytes of every block into 4-bit halves, negates some (15 - v), permutes them, negates again, and
    joins.

    One key serves all blocks of all images (LE).  With `per_block` every position of a block in the image has a key of
    its own and the blocks change places (ELE: Madono, Tanaka, Onishi and Ogawa, AAAI-W 2020).  Broken without known
    images by a GAN (SIA-GAN, IEEE Access 2021); with them every block is a pair.

    Parameters:
        block: edge of a block in pixels; must divide the image.
        per_block: a key for every block position, and a shuffle of the blocks.
    """

    block: int = 4
    per_block: bool = False

    claims = (
        Claim("ssim", 0.3, quantile=0.9, text="people cannot recognise the pictures, networks can be trained on them"),
    )
    scheme_name = "Learnable encryption"
    kind = "block scrambling"
    published_break = "SIA-GAN (IEEE Access 2021): LPIPS .304 to .091; per_block (ELE): .295 to .148"
    secrets = "one permutation and two patterns of negation for the halves of a block's bytes"
    key = "release"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n, h, w, c = images.shape
        b = self.block
        if h % b or w % b:
            raise ValueError(f"block={b} does not divide images of {h} x {w}")
        grid = np.rint(images * 255).astype(np.uint8).reshape(n, h // b, b, w // b, b, c).swapaxes(2, 3)
        blocks = grid.reshape(n, (h // b) * (w // b), b * b * c)
        halves = np.concatenate([blocks >> 4, blocks & 15], axis=2)
        values = halves.shape[2]
        for place in range(blocks.shape[1]):
            if place == 0 or self.per_block:
                before, after = rng.integers(0, 2, (2, values)).astype(bool)
                order = rng.permutation(values)
            x = np.where(before, 15 - halves[:, place], halves[:, place])[:, order]
            halves[:, place] = np.where(after, 15 - x, x)
        if self.per_block:
            halves = halves[:, rng.permutation(blocks.shape[1])]
        joined = (halves[..., : values // 2] << 4) | halves[..., values // 2 :]
        encodings = joined.reshape(grid.shape).swapaxes(2, 3).reshape(images.shape)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(encodings.astype(np.float32) / 255, one_hot, provenance=Provenance(np.arange(n)[:, None]))
