"""The InstaHide Challenge's four metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.challenge.layout import detect
from ihaudit.errors import ImageError

#: Encodings scored at a time.
BLOCK = 4096


@dataclass(frozen=True)
class Extent:
    """On which range images seem to lie: ``[-1, 1]`` of the challenge, ``[0, 1]`` or ``[0, 255]``.

    Attributes:
        low, high: of that range.
    """

    low: float
    high: float

    @classmethod
    def of(cls, images: NDArray[Any], name: str) -> Extent:
        """Of an array of images, by its least and largest value.

        Raises:
            ImageError: values of none of these ranges, or not finite.
        """
        if images.dtype.kind not in "biuf":
            raise ImageError(f"{name} holds {images.dtype}; images are numbers in [-1, 1], [0, 1] or [0, 255]")
        low, high = np.inf, -np.inf
        for i in range(0, len(images), BLOCK):
            block = images[i : i + BLOCK]
            low, high = min(low, float(block.min())), max(high, float(block.max()))
            if not np.isfinite(low + high):
                raise ImageError(f"{name} holds NaN or infinite values")
        if low >= -1.001 and high <= 1.001:
            return cls(-1.0, 1.0) if low < -0.001 else cls(0.0, 1.0)
        if low >= 0 and high <= 255:
            return cls(0.0, 255.0)
        raise ImageError(
            f"{name} must lie in [-1, 1] as in the challenge (or in [0, 1] or [0, 255]); it lies in [{low:g}, {high:g}]"
        )

    @property
    def words(self) -> str:
        return f"[{self.low:g}, {self.high:g}]"


def ranges(decryption: NDArray[Any], private: NDArray[Any]) -> dict[str, Extent]:
    """The range of either array; a guess of one value everywhere is in that of the private images."""
    truth, guess = Extent.of(private, "private"), Extent.of(decryption, "decryption")
    first = np.asarray(decryption[:1]).reshape(-1)[:1]
    flat = truth.low <= float(first[0]) <= truth.high and all(
        bool((decryption[i : i + BLOCK] == first).all()) for i in range(0, len(decryption), BLOCK)
    )
    return {"decryption": truth if flat else guess, "private": truth}


def score(decryption: NDArray[Any], private: NDArray[Any], pairs: NDArray[Any]) -> dict[str, float]:
    """The challenge's metrics.

    For every encoding, SSIM (scikit-image's defaults on [-1, 1], data_range 2) and L2 (mean squared error on [-1, 1])
    of its recovered image against its two private images; then the mean over encodings of the larger and the mean
    SSIM, and of the smaller and the mean L2.

    Args:
        decryption: one recovered image per encoding, in a layout that `detect` reads; may be mapped.  In [-1, 1]; in
            [0, 1] where no value is negative, or in [0, 255] where some exceed 1 (`ranges` says which was taken).
        private: (N, ...), likewise.
        pairs: int (E, s), the private images of each encoding (s = 2 in the challenge), -1 where there are fewer.

    Returns:
        ``{"max_ssim", "mean_ssim", "min_l2", "mean_l2"}``.

    Raises:
        ImageError: shapes that do not belong together, values of none of these ranges, or pairs outside the private
            images.
    """
    from ihaudit.metrics.challenge import summarised
    from ihaudit.metrics.ssim import ssim_challenge

    known = detect(private, name="private")
    given = known if decryption.shape[1:] == private.shape[1:] else detect(decryption, name="decryption")
    if given.shape != known.shape:
        raise ImageError(f"decryption holds images of shape {given.shape}, private of {known.shape}")
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or len(pairs) != len(decryption) or not np.issubdtype(pairs.dtype, np.integer):
        raise ImageError(
            f"pairs must be integers of shape ({len(decryption)}, 2), one row per decrypted image, "
            f"not {pairs.dtype} of {pairs.shape}"
        )
    if not pairs.size:
        raise ImageError("pairs is empty; there is nothing to score")
    if pairs.min() < -1 or pairs.max() >= len(private):
        raise ImageError(f"pairs name images {pairs.min()}..{pairs.max()}, private holds 0..{len(private) - 1}")
    used = pairs >= 0
    if not used.any(1).all():
        raise ImageError(f"pairs name no private image for row {int(np.flatnonzero(~used.any(1))[0])} (-1 is none)")
    extents = ranges(decryption, private)
    truth = _ranged(known.view(private), extents["private"])
    similarity, error = np.full(pairs.shape, np.nan), np.full(pairs.shape, np.nan)
    for start in range(0, len(pairs), BLOCK):  # bounded memory at any number of encodings
        guess = _ranged(given.view(decryption[start : start + BLOCK]), extents["decryption"])
        for slot in range(pairs.shape[1]):
            rows = np.flatnonzero(used[start : start + BLOCK, slot])
            if len(rows):
                g, t = guess[rows], truth[pairs[start + rows, slot]]
                similarity[start + rows, slot] = ssim_challenge((g + 1) / 2, (t + 1) / 2)
                error[start + rows, slot] = np.mean((g - t) ** 2, axis=(1, 2, 3))
    return {name: float(values.mean()) for name, values in summarised(similarity, error).items()}


def _ranged(images: NDArray[Any], extent: Extent) -> NDArray[np.float32]:
    """float32 in [-1, 1]."""
    x = (np.asarray(images, np.float32) - extent.low) / (extent.high - extent.low)
    found: NDArray[np.float32] = np.clip(2 * x - 1, -1, 1).astype(np.float32)
    return found
