"""The cheap learner's features: pooled values and magnitudes, and sorted values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ihaudit.release import FloatArray

Float32 = NDArray[np.float32]


def pool2d(x: FloatArray, side: int) -> Float32:
    """Average-pool (R, H, W, C) to (R, side', side', C) with side' >= side blocks of equal size (edges cropped)."""
    h, w = x.shape[1:3]
    a, b = max(1, h // side), max(1, w // side)
    x = np.asarray(x, np.float32)[:, : h // a * a, : w // b * b]
    # Sums of strided slices: several times faster than a mean over the axes of a 6-dimensional view.
    x = sum((x[:, i::a] for i in range(1, a)), x[:, ::a])
    x = sum((x[:, :, j::b] for j in range(1, b)), x[:, :, ::b])
    out: Float32 = x * np.float32(1 / (a * b))
    return out


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether encodings of this shape have a spatial grid that pooling makes sense on."""
    return len(shape) == 3 and min(shape[:2]) >= 8 and shape[2] <= 16


def features(encodings: FloatArray, side: int = 8, quantiles: int = 17, chunk: int = 2048) -> Float32:
    """The cheap learner's feature map: [pool(x), pool(|x|), sorted values], float32 (M, F).

    The |.| half is what makes sign-masked schemes learnable, the sorted values what makes permuted ones.  Encodings
    without a spatial grid are flattened and, above 1024 values, projected at random (fixed seed).

    ``side = 0`` asks for position-wise features without pooling, [x, x^2, cos 2 pi x, sin 2 pi x]: what a learner needs
    that shares the challenge's key (a permutation, or a pad added modulo 1).
    """
    if side == 0:
        x = np.asarray(encodings, np.float32).reshape(len(encodings), -1)
        turn = np.float32(2 * np.pi) * x
        return np.concatenate([x, x * x, np.cos(turn), np.sin(turn)], axis=1)
    parts = [_features(encodings[i : i + chunk], side, quantiles) for i in range(0, len(encodings), chunk)]
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def _features(x: FloatArray, side: int, quantiles: int) -> Float32:
    x = np.asarray(x, np.float32)
    n = len(x)
    if is_image(x.shape[1:]):
        magnitude = np.abs(x)
        out = [pool2d(x, side).reshape(n, -1), pool2d(magnitude, side).reshape(n, -1)]
        channels = x.reshape(n, -1, x.shape[3])
    else:
        flat = x.reshape(n, -1)
        magnitude = np.abs(flat)
        if flat.shape[1] > 1024:
            p = np.random.default_rng(0).standard_normal((flat.shape[1], 768), np.float32) / np.sqrt(flat.shape[1])
            out = [flat @ p, magnitude @ p]
        else:
            out = [flat, magnitude]
        channels = flat[:, :, None]
    if quantiles and channels.shape[1] >= 4:
        at = np.linspace(0, channels.shape[1] - 1, quantiles).astype(int)
        for values in (channels, np.abs(channels)):
            out.append(np.sort(values, axis=1)[:, at].reshape(n, -1))
    return np.concatenate(out, axis=1)
