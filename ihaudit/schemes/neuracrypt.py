"""NeuraCrypt (Yala and others, 2106.02484): a random network as the key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit import Claim, FloatArray, IntArray, Provenance, Release, Scheme


@dataclass
class NeuraCrypt(Scheme):
    """Sends each patch through a random network, adds a random vector for its place, and shuffles the patches.

    The network is drawn once and is the key: patch projection and ReLU, then `depth` layers of linear map, batch
    normalisation with the statistics of the call, and ReLU; positions; ReLU; a last linear map.  Depth -1 is the linear
    encoder.  Released are sets of tokens (patches x width).  Matching images to encodings was broken completely by
    Carlini and others (2021) with the code known; recovering images from encodings alone is open for the deep one.

    Parameters:
        patch: edge of a patch in pixels; must divide the image.
        width: length of a token.
        depth: hidden layers (4 in the authors' code), or -1 for a linear encoder.
        shuffle: shuffle the patches of every image afresh.
    """

    patch: int = 4
    width: int = 128
    depth: int = 4
    shuffle: bool = True

    claims = (Claim("reid", 0.2, text="fewer than one image in five is matched to its encoding"),)
    scheme_name = "NeuraCrypt"
    kind = "random network, tokens"
    published_break = "Carlini and others 2021: all images matched to their encodings, code known"
    secrets = "the weights of the network, and the order of the patches"
    security_parameter = "depth"
    key = "release"

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        n, h, w, c = images.shape
        p = self.patch
        if h % p or w % p:
            raise ValueError(f"patch={p} does not divide images of {h} x {w}")
        tokens = images.reshape(n, h // p, p, w // p, p, c).swapaxes(2, 3).reshape(n, -1, p * p * c)

        def linear(x: NDArray[np.float32]) -> NDArray[np.float32]:
            bound = 1 / np.sqrt(x.shape[-1])  # PyTorch's default initialisation
            weight = rng.uniform(-bound, bound, (x.shape[-1], self.width)).astype(np.float32)
            return x @ weight + rng.uniform(-bound, bound, self.width).astype(np.float32)

        x = linear(tokens)
        if self.depth >= 0:
            x = np.maximum(x, 0)
        for _ in range(self.depth):
            x = linear(x)
            x = np.maximum((x - x.mean((0, 1))) / np.sqrt(x.var((0, 1)) + np.float32(1e-5)), 0)
        if self.depth >= 0:
            x = linear(np.maximum(x + rng.standard_normal((1, x.shape[1], self.width), dtype=np.float32), 0))
        if self.shuffle:
            order = rng.random((n, x.shape[1])).argsort(axis=1)
            x = np.take_along_axis(x, order[:, :, None], axis=1)
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(x.astype(np.float32), one_hot, provenance=Provenance(np.arange(n)[:, None]))
