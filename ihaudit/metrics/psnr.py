"""Peak signal-to-noise ratio."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.metric import metric
from ihaudit.metrics.l2 import l2

#: PSNR of identical images is infinite; it is reported as this many decibels (an error of 1e-5 per value).
PSNR_CEILING = 100.0


@metric("psnr", "PSNR, mean", unit="dB", hint="higher = closer to the original", order=29)
def psnr(guess: NDArray[Any], private: NDArray[Any], *, device: str = "cpu") -> NDArray[np.float64]:
    """Peak signal-to-noise ratio in dB for a data range of 1, at most `PSNR_CEILING`; arguments as for `l2`."""
    return -10.0 * np.log10(np.maximum(l2(guess, private) / 4, 10 ** (-PSNR_CEILING / 10)))
