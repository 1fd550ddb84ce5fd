"""A cipher: every image under a keystream of its own.  What an encoding would have to be like to hide everything."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ihaudit import Claim, FloatArray, IntArray, Release, Scheme


@dataclass
class Cipher(Scheme):
    """Rounds each image to bytes and adds, modulo 256, a keystream that no other image gets; no label is released.

    The keystream is SHAKE-256 of a secret key and of a nonce that is drawn for every image, a stream cipher.  Without
    the key an encoding is noise, and nothing can be learned from it: of no use to anybody, which is the point of the
    comparison.

    Parameters:
        copies: encodings per image, each under a keystream of its own.
    """

    copies: int = 1

    claims = (
        Claim("advantage", 0.1, text="nobody can tell which of two images an encoding hides"),
        Claim("ssim", 0.3, quantile=0.9, text="an encoding shows nothing of its image"),
    )
    scheme_name = "Cipher"
    kind = "null: a stream cipher"
    secrets = "the key"
    key = "image"

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies must be at least 1, not {self.copies}")

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        plain = np.rint(np.repeat(images, self.copies, axis=0) * 255).astype(np.uint8)
        key, size = rng.bytes(32), plain[0].size
        encodings = np.empty_like(plain)
        for i, image in enumerate(plain):
            stream = hashlib.shake_256(key + i.to_bytes(8, "little")).digest(size)
            encodings[i] = image + np.frombuffer(stream, np.uint8).reshape(image.shape)
        return Release(encodings.astype(np.float32) / 255)
