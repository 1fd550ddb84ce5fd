"""What a family of maps is: fitted to pairs, it takes encodings back to images."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
Encodings = NDArray[np.float32]
Bytes = NDArray[np.uint8]


class Inverse(Protocol):
    """A fitted inverse map."""

    @property
    def words(self) -> str:
        """The map that was found, in words: "one permutation of all pixels, some negated"."""

    def __call__(self, encodings: Encodings) -> Images:
        """float32 (E, ...) -> float32 (E, H, W, C), not clipped."""


class Family(Protocol):
    """Fits one kind of inverse map."""

    def __call__(self, images: Images, encodings: Encodings) -> list[Inverse]:
        """Inverses of this kind that fit the pairs; empty where none does.

        Args:
            images: float32 (n, H, W, C) in [0, 1].
            encodings: float32 (n, ...), row i made of image i.
        """


def blocks_of(images: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    """(n, H, W, C) -> (n, B, edge * edge * C): the blocks of every image in reading order, C fastest."""
    n, h, w, c = images.shape
    grid = images.reshape(n, h // edge, edge, w // edge, edge, c).swapaxes(2, 3)
    return grid.reshape(n, (h // edge) * (w // edge), edge * edge * c)


def images_of(blocks: NDArray[np.float32], shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """The inverse of `blocks_of` for images of `shape` (H, W, C)."""
    h, w, c = shape
    edge = round((h * w / blocks.shape[1]) ** 0.5)
    grid = blocks.reshape(len(blocks), h // edge, w // edge, edge, edge, c).swapaxes(2, 3)
    return grid.reshape(len(blocks), h, w, c)


def as_bytes(images: Images, encodings: Encodings) -> tuple[Bytes, Bytes, float] | None:
    """Images and encodings of as many values in bytes, uint8 (n, H * W * C), and what encodings are multiplied with;
    None where they are no bytes."""
    if encodings[0].size != images[0].size:
        return None
    scale = 255.0 if float(encodings.max()) <= 1 else 1.0
    for values, factor in ((images, 255.0), (encodings, scale)):
        if not -1e-2 < float(values.min()) * factor <= float(values.max()) * factor < 255.01:
            return None
        if float(np.abs(np.rint(values * factor) - values * factor).max()) > 1e-2:
            return None
    return to_bytes(images, 255.0), to_bytes(encodings, scale), scale


def to_bytes(values: NDArray[np.float32], scale: float) -> Bytes:
    """uint8 (n, ...) in one row each."""
    out: Bytes = np.rint(values.reshape(len(values), -1) * scale).astype(np.uint8)
    return out
