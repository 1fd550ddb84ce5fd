"""Public image matching as Carlini et al. 2021 (section 4.8.1) describe it, for comparison with the matched filter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ihaudit.metrics.ssim import pairwise_ssim
from ihaudit.release import FloatArray

#: Public images compared at a time.
_BLOCK = 2048


def match_by_ssim(
    mixture: FloatArray,
    public: FloatArray,
    to_mixed: Callable[[FloatArray], FloatArray],
    to_shown: Callable[[FloatArray], FloatArray],
    k: int,
    count: int,
    progress: Callable[[float], None] = lambda _: None,
    device: str = "cpu",
) -> tuple[NDArray[np.int64], FloatArray]:
    """Pick the most SSIM-similar public image, subtract it with the guessed weight 1/k, recurse `count` times.

    Args:
        mixture: float32 (E, H, W, C), recoloured mixtures in mixing units.
        public: float32 (M, H, W, C) in [0, 1].
        to_mixed, to_shown: between [0, 1] and mixing units.
        k: images per mixture.
        count: public images to subtract.

    Returns:
        int64 (E, count) picks and the float32 (E, H, W, C) remainders, in mixing units.
    """
    rest = mixture.copy()
    picks = np.full((len(rest), count), -1, np.int64)
    rows = np.arange(len(rest))
    for turn in range(count):
        best, index = np.full(len(rest), -np.inf), np.zeros(len(rest), np.int64)
        # What is left holds k - turn images of weight 1/k each: bring it back to an image's contrast to compare it.
        seen = to_shown(rest * (k / (k - turn)))
        for start in range(0, len(public), _BLOCK):
            block = public[start : start + _BLOCK]
            scores = pairwise_ssim(seen, block, device=device)
            for e in rows:
                earlier = picks[e, :turn] - start
                scores[e, earlier[(earlier >= 0) & (earlier < len(block))]] = -np.inf
            where = scores.argmax(1)
            top = scores[rows, where]
            index = np.where(top > best, where + start, index)
            best = np.maximum(best, top)
            progress((turn + (start + len(block)) / len(public)) / count)
        picks[:, turn] = index
        rest = rest - to_mixed(public[index]) / k
    return picks, rest
