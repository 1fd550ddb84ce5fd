"""One scale for a whole set: which values are black and white, in pictures of more than 8 bits.

Twelve-bit X-rays lie in 16-bit files, Hounsfield values are negative.  Dividing by what the file format could hold
leaves them nearly black, and scaling image by image changes what is bright in one beside another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ihaudit.errors import ImageError
from ihaudit.release import FloatArray

#: Bits that devices and formats use.
_BITS = (1, 8, 10, 12, 14, 16, 24, 32, 40, 48, 56, 64)
#: Bits by which a few outliers (burnt-in marks) may exceed the others before they are cut off.
_OUTLIERS = 4
#: Values below are padding outside a scan: Hounsfield units begin at -1024.
_AIR = -1024.0


@dataclass(frozen=True)
class Extent:
    """What values of a picture or a set reach.

    Attributes:
        low, high: least and largest value.
        common: value that 99.9 % stay below.
        inner: least value that is no padding (`_AIR`); the least of all where there is none.
        whole: all are whole numbers by their type.
    """

    low: float
    high: float
    common: float
    inner: float
    whole: bool

    @classmethod
    def of(cls, values: FloatArray, name: str) -> Extent:
        """Of one array of numbers."""
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).sum())
            raise ImageError(f"{name}: {bad:,} of its values are NaN or infinite; replace them")
        some = values.reshape(-1)[:: max(1, values.size // 1_000_000)]
        low = float(values.min())
        inner = float(np.min(values, initial=values.max(), where=values >= _AIR)) if low < _AIR else low
        return cls(low, float(values.max()), float(np.quantile(some, 0.999)), inner, values.dtype.kind in "iub")

    @classmethod
    def all(cls, parts: Iterable[Extent]) -> Extent:
        """Of several together."""
        each = list(parts)
        return cls(
            min(p.low for p in each),
            max(p.high for p in each),
            max(p.common for p in each),
            min(p.inner for p in each),
            all(p.whole for p in each),
        )


@dataclass(frozen=True)
class Scale:
    """Black and white of a set, and how they were found, in words."""

    low: float
    high: float
    words: str

    def unit(self, values: FloatArray) -> FloatArray:
        """float32 in [0, 1]."""
        x = (np.asarray(values, np.float32) - np.float32(self.low)) / np.float32(self.high - self.low)
        found: FloatArray = np.clip(x, 0, 1).astype(np.float32)
        return found


def scale(extent: Extent, bits: int | None, name: str) -> Scale:
    """The scale of a set.

    Args:
        extent: of all its images.
        bits: as stated by whoever knows (``--bits``), or None.
        name: for errors.

    Raises:
        ImageError: the stated bits cannot hold the values.
    """
    low, high = extent.low, extent.high
    if bits is not None:
        top, bottom = 2.0**bits - 1, 0.0 if low >= 0 else -(2.0 ** (bits - 1))
        top += bottom
        if high > top or low < bottom:
            raise ImageError(
                f"{name} holds values from {low:g} to {high:g}, beyond the {bits} bits that --bits states; correct it"
            )
        return Scale(bottom, top, f"values were read as {bits} bits, as stated: {bottom:g} is black, {top:g} white")
    padded = ""
    if low < _AIR and extent.whole and high > 0 <= extent.inner:  # -9999 where nothing was measured, and no Hounsfield
        padded, low = f"; values below 0, down to {low:g}, as padding", 0.0
    if low < 0:
        padding = low < _AIR and extent.whole
        bottom = _AIR if padding and high > 0 else low
        cut = f", and values below {_AIR:g} as padding" if bottom > low else ""
        return Scale(bottom, max(high, bottom + 1), f"{bottom:g} was read as black and {high:g} as white{cut}")
    if not extent.whole:
        if high <= 1:
            return Scale(0.0, 1.0, "")
        return Scale(0.0, high, f"0 was read as black and {high:g}, the largest value of all images, as white")
    used, common = (next(b for b in _BITS if v <= 2.0**b - 1) for v in (high, extent.common))
    cut = ""
    if used - common >= _OUTLIERS:
        used, cut = common, f"; few values reach {high:g}, and were cut off"
    top = 2.0**used - 1
    words = f"{used} bit{'s' if used > 1 else ''}, the fewest that hold all images: {top:g} is white{cut}{padded}"
    return Scale(0.0, top, f"values were read as {words}")
