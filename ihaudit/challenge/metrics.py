"""The InstaHide Challenge's four metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.challenge.layout import detect
from ihaudit.errors import ImageError

#: Encodings scored at a time.
BLOCK = 4096


def score(decryption: NDArray[Any], private: NDArray[Any], pairs: NDArray[Any]) -> dict[str, float]:
    """The challenge's metrics.

    For every encoding, SSIM (scikit-image's defaults on [-1, 1], data_range 2) and L2 (mean squared error on [-1, 1])
    of its recovered image against its two private images; then the mean over encodings of the larger and the mean
    SSIM, and of the smaller and the mean L2.

    Args:
        decryption: in [-1, 1], one recovered image per encoding, in a layout that `detect` reads; may be mapped.
        private: (N, ...), in [-1, 1], likewise.
        pairs: int (E, s), the private images of each encoding (s = 2 in the challenge), -1 where there are fewer.

    Returns:
        ``{"max_ssim", "mean_ssim", "min_l2", "mean_l2"}``.

    Raises:
        ImageError: shapes that do not belong together, values outside [-1, 1], or pairs outside the private images.
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
    truth = _ranged(known.view(private), "private")
    similarity, error = np.full(pairs.shape, np.nan), np.full(pairs.shape, np.nan)
    for start in range(0, len(pairs), BLOCK):  # bounded memory at any number of encodings
        guess = _ranged(given.view(decryption[start : start + BLOCK]), "decryption")
        for slot in range(pairs.shape[1]):
            rows = np.flatnonzero(used[start : start + BLOCK, slot])
            if len(rows):
                g, t = guess[rows], truth[pairs[start + rows, slot]]
                similarity[start + rows, slot] = ssim_challenge((g + 1) / 2, (t + 1) / 2)
                error[start + rows, slot] = np.mean((g - t) ** 2, axis=(1, 2, 3))
    return {name: float(values.mean()) for name, values in summarised(similarity, error).items()}


def _ranged(images: NDArray[Any], name: str) -> NDArray[np.float32]:
    """float32 in [-1, 1]; refuses what lies elsewhere."""
    x = np.asarray(images, np.float32)
    if not np.isfinite(x).all():
        raise ImageError(f"{name} holds NaN or infinite values")
    if x.size and (x.min() < -1.001 or x.max() > 1.001):
        raise ImageError(f"{name} must lie in [-1, 1] as in the challenge; it lies in [{x.min():g}, {x.max():g}]")
    return np.clip(x, -1, 1)
