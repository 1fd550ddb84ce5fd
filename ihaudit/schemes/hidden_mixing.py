"""Mixing of hidden features under masks from a pool, as in TextHide (Huang and others, EMNLP Findings 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class HiddenMixing(Scheme):
    """Embeds each image by a fixed random map, mixes k embeddings of a batch, and flips signs by a mask from a pool.

    The pool is small and kept for the release, so that encodings under the same mask can be told; Xie and Hong (2021)
    break TextHide that way.

    Parameters:
        width: length of an embedding.
        k: embeddings mixed into one encoding.
        pool: masks to choose from.
        epochs: passes over the private images.
    """

    width: int = 768
    k: int = 4
    pool: int = 16
    epochs: int = 10

    claims = (Claim("ssim", 0.3, quantile=0.9, text="embeddings cannot be taken back to images"),)
    scheme_name = "Hidden mixing"
    kind = "mixing of features, masks"
    published_break = "TextHide: Xie and Hong 2021"
    secrets = "the masks, and which images are mixed"
    security_parameter = "pool"
    key = "release"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n = len(images)
        flat = images.reshape(n, -1) - np.float32(0.5)
        embedding = np.random.default_rng(2020).standard_normal((flat.shape[1], self.width)) / np.sqrt(flat.shape[1])
        hidden = np.tanh(4 * flat @ embedding.astype(np.float32))
        masks = rng.choice(np.array([-1, 1], np.float32), (self.pool, self.width))
        sources = np.concatenate([np.stack([rng.permutation(n) for _ in range(self.k)], 1) for _ in range(self.epochs)])
        lam = np.abs(rng.standard_normal(sources.shape)).astype(np.float32)
        lam /= lam.sum(1, keepdims=True)
        encodings = np.einsum("es,esd->ed", lam, hidden[sources]) * masks[rng.integers(0, self.pool, len(sources))]
        soft = np.zeros((len(sources), int(labels.max()) + 1), np.float32)
        for slot in range(self.k):
            np.add.at(soft, (np.arange(len(sources)), labels[sources[:, slot]]), lam[:, slot])
        return Release(encodings.astype(np.float32), soft, provenance=Provenance(sources, lam))
