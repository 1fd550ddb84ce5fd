"""Whether a release carries a sign mask, read off the release itself."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

MaskKind = Literal["masked", "absolute", "signed"]


#: median correlation of the magnitudes of neighbouring values above which a picture lies under a sign mask: 0.81 for
#: InstaHide of CIFAR-10 with k from 2 to 8; noise, pixels in another order and sums of either stay below 0.05
PICTURE = 0.08


def under_mask(encodings: NDArray[np.floating], *, sample: int = 512) -> bool:
    """Whether the magnitudes of neighbouring values go together, as those of a picture do under any sign mask.

    Args:
        encodings: float (E, H, W, C).
        sample: encodings looked at, evenly spaced.
    """
    step = max(1, len(encodings) // sample)
    x = np.abs(np.asarray(encodings[::step][:sample], np.float32))
    x = x - x.mean((1, 2), keepdims=True)
    together = []
    for a, b in ((x[:, :, 1:], x[:, :, :-1]), (x[:, 1:], x[:, :-1])):
        scale = np.sqrt((a**2).sum((1, 2, 3))) * np.sqrt((b**2).sum((1, 2, 3)))
        together.append((a * b).sum((1, 2, 3)) / np.maximum(scale, 1e-12))
    # independent values of whatever number stay below six standard errors
    error = (2 * x[0].size * len(x)) ** -0.5
    return bool(np.median(np.mean(together, axis=0)) > max(PICTURE, 6 * error))


def detect_mask(encodings: NDArray[np.floating], *, sample: int = 512) -> tuple[MaskKind, float]:
    """Kind of release and the share of neighbouring values of equal sign.

    Args:
        encodings: float (E, H, W, C).
        sample: encodings looked at, evenly spaced.

    Returns:
        ``absolute`` where no value is negative, ``masked`` where the signs of neighbours are independent, ``signed``
        where they agree more often than chance, as in every natural image (noise added to an image does not hide it).
    """
    step = max(1, len(encodings) // sample)
    x = np.asarray(encodings[::step][:sample])
    if not np.any(x < 0):
        return "absolute", 1.0
    pairs = [(x[:, :, 1:], x[:, :, :-1]), (x[:, 1:], x[:, :-1])]
    equal = total = 0
    for a, b in pairs:
        valid = (a != 0) & (b != 0)
        equal += int((((a > 0) == (b > 0)) & valid).sum())
        total += int(valid.sum())
    if total == 0:
        return "signed", 1.0
    share = equal / total
    # 8 standard errors and half a per cent: pure noise of any size stays below, a faint image does not
    return ("signed" if share > 0.5 + max(0.005, 8 * 0.5 / total**0.5) else "masked"), share
