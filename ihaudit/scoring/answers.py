"""Which of an attack's candidates is its answer for each encoding, chosen without the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from ihaudit.contracts.attack import AttackOutput


def answers(output: AttackOutput) -> NDArray[np.int64]:
    """The candidate that an attack answers for each encoding: int64 (E,), -1 for none; see `choose`."""
    if output.members is None:
        raise ValueError("an attack that does not say which images are in which encoding has no answer for encodings")
    return choose(np.asarray(output.members), output.coefficients, output.confidence, output.images)


def choose(
    members: NDArray[np.integer],
    coefficients: NDArray[Any] | None,
    confidence: NDArray[Any] | None,
    images: NDArray[Any],
) -> NDArray[np.int64]:
    """Which of its members answers for each encoding.

    The one with the largest coefficient, which is the surest member (96 % right on the reference benchmark, against
    72 % of the others); where quality is estimated, the one that can be expected to score best: its confidence, less
    what the challenge's SSIM takes off for small errors of the mean where the image is near mid-grey, unless its
    coefficient is small (members are right nineteen times in twenty from lambda = 0.06 on).

    Args:
        members: int (E, s), -1 for none; coefficients: (E, s) or None; confidence: (R,) or None.
        images: (R, H, W, C) in [0, 1].

    Returns:
        int64 (E,), -1 where there is no member.
    """
    there = members >= 0
    if coefficients is None:
        c = np.broadcast_to(1.0 - 1e-3 * np.arange(members.shape[1]), members.shape)
    else:
        c = np.nan_to_num(np.abs(np.asarray(coefficients, np.float64)))
    if confidence is None or not len(images):
        worth = c
    else:
        quality = np.clip(np.nan_to_num(np.asarray(confidence, np.float64), nan=0.0), 0.01, 1) * _steadiness(images)
        worth = (1 - np.exp(-30 * c)) * quality[np.clip(members, 0, len(quality) - 1)]
    best = np.where(there, worth, -np.inf).argmax(axis=1)
    return np.asarray(members[np.arange(len(members)), best], np.int64)


def _steadiness(images: NDArray[Any], *, error: float = 0.05, window: int = 7) -> NDArray[np.float64]:
    """float64 (R,) in [0, 1]: the luminance term of SSIM on [-1, 1] when local means are off by `error`."""
    x = np.nan_to_num(np.asarray(images, np.float64)) * 2 - 1
    mean = uniform_filter(x, size=(1, window, window, 1)) if min(x.shape[1:3]) >= window else x
    c1 = (0.01 * 2) ** 2
    term: NDArray[np.float64] = (2 * mean**2 + c1) / (2 * mean**2 + error**2 + c1)
    return np.asarray(term.mean(axis=(1, 2, 3)), np.float64)
