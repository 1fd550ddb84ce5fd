"""Whether what a learned inverse answers follows the images at all: a permutation test on pairs that were held out.

The answers for held-out encodings are laid beside their images, and beside these in other orders.  Where an encoding
holds nothing of its image all orders are alike, whatever constant, mean image or class the answers show: the p-value is
exact, with any number of pairs.  A faint leak shows long before a reconstruction scores better than a mean image does,
for which SSIM would have to beat its own spread over images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.known_pairs.base import Images

#: p-value, times the number of maps that were tried, up to which answers follow their images
LEVEL = 1e-3
#: held-out pairs from which orders are enough to say so
FEWEST = 8
#: orders drawn
ORDERS = 40_000


def by_chance(answers: Images, images: Images, groups: NDArray[np.int64] | None = None) -> float:
    """How often another order of the images fits the answers as well as their own: the p-value, in (0, 1].

    Args:
        answers: float32 (n, H, W, C), made of the encodings of the images by a map that was fitted without them.
        images: float32 (n, H, W, C), less what everybody expects of each anyway (the mean of its class).
        groups: int64 (n,), parts that were answered by different maps; only images of one part change places.
    """
    n = len(images)
    a, b = (_units(v.reshape(n, -1)) for v in (answers, images))
    fit = (a @ b.T).astype(np.float64)
    kinds = np.zeros(n, np.int64) if groups is None else groups
    rng, total = np.random.default_rng(0), np.zeros(ORDERS)
    for kind in np.unique(kinds):
        rows = np.flatnonzero(kinds == kind)
        orders = rng.permuted(np.tile(rows, (ORDERS, 1)), axis=1)
        total += fit[rows, orders].sum(1)
    own = float(np.trace(fit))
    return float((1 + np.sum(total >= own - 1e-9 * n)) / (ORDERS + 1))


def _units(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows (n, d) less their mean over rows, of length 1; rows that do not differ from it are nought."""
    x = x - x.mean(0)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(np.where(length > 1e-5, x / np.maximum(length, 1e-12), 0), np.float32)
