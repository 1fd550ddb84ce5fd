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
#: Share of the values, and how many different ones, from which what lies below is no padding.
_SCATTERED, _PADS = 0.05, 16
#: How many times the range of all others the least value may lie below them.
_FAR = 10.0


@dataclass(frozen=True)
class Extent:
    """What values of a picture or a set reach.

    Attributes:
        low, high: least and largest value.
        common: value that 99.9 % stay below.
        inner: least value that is no padding (`_AIR`), of fractions the second least; the least where there is none.
        outer: second largest value; the largest where there is one value only.
        whole: all are whole numbers by their type.
        spread: values where padding would be are many and different, so that they are no padding.
    """

    low: float
    high: float
    common: float
    inner: float
    outer: float
    whole: bool
    spread: bool = False

    @classmethod
    def of(cls, values: FloatArray, name: str) -> Extent:
        """Of one array of numbers."""
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).sum())
            raise ImageError(f"{name}: {bad:,} of its values are NaN or infinite; replace them")
        some = values.reshape(-1)[:: max(1, values.size // 1_000_000)]
        whole = values.dtype.kind in "iub"
        low, high = float(values.min()), float(values.max())
        above = values >= _AIR if whole else values > low
        inner = float(np.min(values, initial=values.max(), where=above)) if low < (_AIR if whole else 0) else low
        outer = float(np.max(values, initial=values.min(), where=values < values.max()))
        below = some[some < _AIR]
        spread = below.size > _SCATTERED * some.size and len(np.unique(below)) > _PADS
        return cls(low, high, float(np.quantile(some, 0.999)), inner, outer, whole, spread)

    @classmethod
    def all(cls, parts: Iterable[Extent]) -> Extent:
        """Of several together."""
        each = list(parts)
        low, high = min(p.low for p in each), max(p.high for p in each)
        return cls(
            low,
            high,
            max(p.common for p in each),
            min(p.inner if p.whole or p.low <= low else p.low for p in each),
            max(p.outer if p.high >= high else p.high for p in each),
            all(p.whole for p in each),
            any(p.spread for p in each),
        )

    def refuse_what_is_far(self, name: str) -> None:
        """Refuse fractions of which one value lies far from all others, as one for "nothing measured" does.

        Raises:
            ImageError: it names the value.
        """
        width = self.outer - self.inner
        for far, gap in ((self.low, self.inner - self.low), (self.high, self.high - self.outer)):
            if not self.whole and gap > _FAR * width > 0:
                raise ImageError(
                    f"{name} holds the value {far:g} far from all others ({self.inner:g} to {self.outer:g}); where it "
                    "stands for nothing measured, replace it by what is to be black"
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
    extent.refuse_what_is_far(name)
    padding, padded = low < _AIR and extent.whole and not extent.spread and high > 0, ""
    if padding and extent.inner >= 0:  # such as -9999 where nothing was measured, and no Hounsfield units
        padded, low = f"; values below 0, down to {low:g}, as padding", 0.0
    if low < 0:
        bottom = low if not padding else extent.inner if extent.inner > _AIR / 2 else _AIR
        cut = f", and values below {bottom:g} as padding" if bottom > low else ""
        return Scale(bottom, max(high, bottom + 1), f"{bottom:g} was read as black and {high:g} as white{cut}")
    if not extent.whole:
        if high <= 1:
            return Scale(0.0, 1.0, "")
        return Scale(0.0, high, f"0 was read as black and {high:g}, the largest value of all images, as white")
    used, common, second = (next(b for b in _BITS if v <= 2.0**b - 1) for v in (high, extent.common, extent.outer))
    if extent.outer > max(low, extent.inner):  # one value far above all others stands for no brightness, however common
        common = min(common, second)
    cut = ""
    if used - common >= _OUTLIERS:
        used, cut = common, f"; few values reach {high:g}, and were cut off"
    top = 2.0**used - 1
    words = f"{used} bit{'s' if used > 1 else ''}, the fewest that hold all images: {top:g} is white{cut}{padded}"
    return Scale(0.0, top, f"values were read as {words}")
