"""Crops of the photographs that scikit-image ships, none of which the network was trained on."""

from __future__ import annotations

from functools import cache

import numpy as np
import skimage.data

NAMES = {"private": ("astronaut",), "public": ("coffee", "chelsea"), "other": ("rocket",)}


@cache
def crops(role: str, n: int, side: int = 32, seed: int = 0) -> np.ndarray:
    """float32 (n, side, side, 3) in [0, 1]: random squares, reduced; no two roles share a photograph."""
    from PIL import Image

    rng = np.random.default_rng([seed, role == "private"])
    photographs = [getattr(skimage.data, name)() for name in NAMES[role]]
    out: list[np.ndarray] = []
    while len(out) < n:
        photograph = photographs[len(out) % len(photographs)]
        edge = int(rng.integers(side, 4 * side))
        y, x = (int(rng.integers(0, s - edge + 1)) for s in photograph.shape[:2])
        crop = Image.fromarray(photograph[y : y + edge, x : x + edge]).resize((side, side), Image.Resampling.BOX)
        if np.asarray(crop).std() > 20:
            out.append(np.asarray(crop, np.float32) / 255)
    return np.stack(out)
