"""The size of the blocks that pictures were cut into: they are smooth inside, and rough across the cuts."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.numerics.jigsaw.student import Floats

#: how much rougher than similar images the inside of blocks may be, and how much rougher than it the cuts must be
INSIDE, ACROSS = 1.7, 1.3
#: most blocks of a picture
MOST_BLOCKS = 400


def roughness(pictures: Floats) -> tuple[Floats, Floats]:
    """float32 (H - 1,) and (W - 1,): mean squared step between neighbouring rows, and columns, per unit of variance."""
    x = pictures - pictures.mean((1, 2), keepdims=True)
    x = x / (np.sqrt((x**2).mean((1, 2, 3), keepdims=True)) + 0.02)
    return (np.diff(x, axis=1) ** 2).mean((0, 2, 3)), (np.diff(x, axis=2) ** 2).mean((0, 1, 3))


def block_edge(pictures: Floats, similar: Floats) -> int | None:
    """The edge of the blocks of float32 (n, H, W, C), or None where there are none."""
    h, w = pictures.shape[1:3]
    down, right = roughness(pictures)
    usual = float(np.mean(np.concatenate(roughness(similar))))
    best, edge = ACROSS, None
    for b in range(2, min(h, w) // 2 + 1):
        if h % b or w % b or (h // b) * (w // b) > MOST_BLOCKS:
            continue
        # Every line inside blocks must be smooth: some cuts may happen to fit.
        inside = max(float(v[np.arange(1, len(v) + 1) % b == k].mean()) for v in (down, right) for k in range(1, b))
        cuts = np.concatenate([v[np.arange(1, len(v) + 1) % b == 0] for v in (down, right)])
        across = float(np.quantile(cuts, 0.25))
        if inside < INSIDE * usual and across > best * inside:
            best, edge = across / max(inside, 1e-12), b
    return edge
