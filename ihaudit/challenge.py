"""The InstaHide Challenge's file formats and its four metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ihaudit.errors import ImageError


def load_npy(path: Path, *, mmap: bool = False) -> NDArray:
    """Read one array from a .npy file without pickles; `mmap` maps large files instead of reading them.

    Raises:
        ImageError: missing, not .npy, or holding objects.
    """
    try:
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except FileNotFoundError:
        raise ImageError(f"there is no file {path}") from None
    except (OSError, ValueError, EOFError) as e:
        raise ImageError(f"{path} is not a readable .npy array ({e}); save it with numpy.save") from None


def as_images(array: NDArray, like: tuple[int, ...] | None = None) -> NDArray[np.float32]:
    """float32 (E, H, W, C) from (E, H, W, C), (E, H, W) or flat (E, P) with square colour or grey images.

    Args:
        array: any numeric array of the layouts above.
        like: (H, W, C) to give flat rows, instead of guessing a square.

    Raises:
        ImageError: another layout.
    """
    if array.ndim == 4:
        return np.asarray(array, np.float32)
    if array.ndim == 3:
        return np.asarray(array, np.float32)[..., None]
    if array.ndim == 2:
        values = array.shape[1]
        if like is not None and values == int(np.prod(like)):
            return np.asarray(array, np.float32).reshape(-1, *like)
        for channels in (3, 1):
            edge = round((values / channels) ** 0.5)
            if edge * edge * channels == values:
                return np.asarray(array, np.float32).reshape(-1, edge, edge, channels)
    raise ImageError(f"an array of shape {array.shape} is neither (E, H, W, C), (E, H, W) nor flat square images")


def score(decryption: NDArray, private: NDArray, pairs: NDArray) -> dict[str, float]:
    """The challenge's metrics.

    For every encoding, SSIM (scikit-image's defaults on [-1, 1], data_range 2) and L2 (mean squared error on [-1, 1])
    of its recovered image against its two private images; then the mean over encodings of the larger and the mean
    SSIM, and of the smaller and the mean L2.

    Args:
        decryption: (E, H, W, C), (E, H, W) or flat, in [-1, 1]: one recovered image per encoding.
        private: (N, H, W, C), in [-1, 1].
        pairs: int (E, s), the private images of each encoding (s = 2 in the challenge).

    Returns:
        ``{"max_ssim", "mean_ssim", "min_l2", "mean_l2"}``.

    Raises:
        ImageError: shapes that do not belong together, values outside [-1, 1], or pairs outside the private images.
    """
    from ihaudit.metrics.ssim import ssim_challenge

    truth = as_images(private)
    guess = as_images(decryption, like=truth.shape[1:])
    pairs = np.asarray(pairs)
    if guess.shape[1:] != truth.shape[1:]:
        raise ImageError(f"decryption holds images of shape {guess.shape[1:]}, private of {truth.shape[1:]}")
    if pairs.ndim != 2 or len(pairs) != len(guess) or not np.issubdtype(pairs.dtype, np.integer):
        raise ImageError(
            f"pairs must be integers of shape ({len(guess)}, 2), one row per decrypted image, "
            f"not {pairs.dtype} of {pairs.shape}"
        )
    if pairs.size and (pairs.min() < 0 or pairs.max() >= len(truth)):
        raise ImageError(f"pairs name images {pairs.min()}..{pairs.max()}, private holds 0..{len(truth) - 1}")
    for name, x in (("decryption", guess), ("private", truth)):
        if not np.isfinite(x).all():
            raise ImageError(f"{name} holds NaN or infinite values")
        if x.min() < -1.001 or x.max() > 1.001:
            raise ImageError(f"{name} must lie in [-1, 1] as in the challenge; it lies in [{x.min():g}, {x.max():g}]")
    guess, truth = np.clip(guess, -1, 1), np.clip(truth, -1, 1)
    similarity, error = np.empty(pairs.shape), np.empty(pairs.shape)
    for slot in range(pairs.shape[1]):
        for start in range(0, len(guess), 4096):  # bounded memory at any number of encodings
            rows = slice(start, start + 4096)
            g, t = guess[rows], truth[pairs[rows, slot]]
            similarity[rows, slot] = ssim_challenge((g + 1) / 2, (t + 1) / 2)
            error[rows, slot] = np.mean((g - t) ** 2, axis=(1, 2, 3))
    return {
        "max_ssim": float(similarity.max(1).mean()),
        "mean_ssim": float(similarity.mean()),
        "min_l2": float(error.min(1).mean()),
        "mean_l2": float(error.mean()),
    }
