"""Made-up pictures for tests: smooth, varied, with edges; as unlike each other as photographs."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter


def pictures(n: int, seed: int = 0, size: int = 32, channels: int = 3) -> np.ndarray:
    """float32 (n, size, size, channels) in [0, 1]."""
    rng = np.random.default_rng(seed)
    coarse = gaussian_filter(rng.normal(size=(n, size, size, channels)), (0, 5, 5, 0))
    fine = gaussian_filter(rng.normal(size=(n, size, size, 1)), (0, 1.5, 1.5, 0))
    edges = np.sign(gaussian_filter(rng.normal(size=(n, size, size, 1)), (0, 4, 4, 0)))
    x = coarse / coarse.std() + 0.6 * fine / fine.std() + 0.8 * edges
    out: np.ndarray = np.clip(0.5 + 0.2 * x, 0, 1).astype(np.float32)
    return out


def lookalikes(n: int, seed: int = 0, size: int = 32) -> np.ndarray:
    """The same, but all variations of one picture, as chest X-rays are: float32 (n, size, size, 3)."""
    base = pictures(1, seed=99, size=size)
    return np.clip(0.8 * base + 0.2 * pictures(n, seed, size), 0, 1).astype(np.float32)
