"""From a release to magnitudes the network understands, or the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.nn.unet import MIN_SIDE
from ihaudit.release import FloatArray

#: Neighbouring values of photographs share their sign in well over nine of ten cases, under a uniform mask in half.
_COHERENT = 0.8
#: How far the middle of the image range may lie from zero, in units of its larger end: the network was trained at 0.
_OFF_CENTRE = 0.4


@dataclass(frozen=True)
class Units:
    """Images in [0, 1] are mixed as ``low + (high - low) x``; everything is divided by `scale` for the network."""

    low: float
    high: float
    scale: float

    def mixed(self, x: FloatArray) -> FloatArray:
        """[0, 1] -> network units."""
        return (self.low + (self.high - self.low) * x) / self.scale

    def shown(self, m: FloatArray) -> FloatArray:
        """Network units -> [0, 1], clipped."""
        return np.clip((m * self.scale - self.low) / (self.high - self.low), 0, 1).astype(np.float32)


def units(image_range: tuple[float, float]) -> Units:
    """`Units` of an image range.

    Raises:
        NotApplicable: values that cannot be negative, or a range far from symmetric.
    """
    low, high = map(float, image_range)
    if low >= 0 or high <= 0:
        raise NotApplicable(
            f"images were mixed on [{low:g}, {high:g}], where all values have one sign: no sign mask can hide them"
        )
    scale = max(-low, high)
    if abs(low + high) / 2 > _OFF_CENTRE * scale:
        raise NotApplicable(f"the mask recovery network was trained on ranges around 0, not on [{low:g}, {high:g}]")
    return Units(low, high, scale)


def sign_coherence(encodings: NDArray[Any]) -> float:
    """Share of neighbouring values (right and below, both not 0) that have the same sign; encodings (E, H, W, C)."""
    sign = np.sign(encodings).astype(np.int8)
    same = total = 0
    for a, b in ((sign[:, :, 1:], sign[:, :, :-1]), (sign[:, 1:], sign[:, :-1])):
        product = a * b
        same += int((product > 0).sum())
        total += int((product != 0).sum())
    return same / total if total else 1.0


def magnitudes(view: View, limit: int) -> tuple[FloatArray, Units]:
    """|m| in network units of the first `limit` encodings: float32 (E', C, H, W).

    Raises:
        NotApplicable: the encodings are no images of a supported shape, or no sign mask hides them.
    """
    e = np.asarray(view.encodings)
    if e.ndim != 4 or e.shape[3] not in (1, 3):
        raise NotApplicable(f"mask recovery needs encodings that are grey or colour images, not of shape {e.shape[1:]}")
    if min(e.shape[1:3]) < MIN_SIDE:
        raise NotApplicable(f"mask recovery needs images of at least {MIN_SIDE} pixels, not {e.shape[1]}x{e.shape[2]}")
    if len(e) == 0:
        raise NotApplicable("the release holds no encodings")
    in_units = units(view.image_range)
    some = e[: min(limit, len(e))].astype(np.float32)
    # Released magnitudes (all values positive) hide signs as well as a mask does.
    if some.min() < 0 and (coherence := sign_coherence(some)) > _COHERENT:
        raise NotApplicable(
            f"no sign mask: {coherence:.0%} of neighbouring values share their sign (a uniform mask leaves 50 %)"
        )
    magnitude = np.abs(some / in_units.scale)
    if not np.any(magnitude.std(axis=(1, 2, 3)) > 1e-6):
        raise NotApplicable("every encoding is constant; there are no signs to recover")
    return np.ascontiguousarray(magnitude.transpose(0, 3, 1, 2)), in_units
