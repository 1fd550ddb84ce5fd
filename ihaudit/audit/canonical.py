"""The canonical release, release.npz: what may be published, at its declared precision and with nothing else in it.

What a scheme returns holds more than it means to say: the last bits of floats, arrays for its author's use.  An audit
looks at all of it; this file holds encodings and labels rounded to the precision that the scheme declares (float16
unless it asks for more), and those further arrays that it declares.  Rounding is done after the scheme, so that
whatever holds of what was audited holds of the file.
"""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.release import Release
from ihaudit.results import Finding, atomic_write

NAME = "release.npz"
#: Significant bits of the precisions that a scheme may declare.
PRECISIONS = {"float16": 11, "float32": 24}
#: Largest number that float16 states.
HALF = 65504.0


@dataclass(frozen=True, eq=False)
class Canonical:
    """What is written.

    Attributes:
        arrays: ``encodings``, ``labels`` where there are any, ``image_range``, ``extra/NAME``.
        dropped: what the scheme returned and the file does not hold, one phrase each.
    """

    arrays: dict[str, NDArray[Any]]
    dropped: list[str]

    def write(self, folder: Path) -> str:
        """Write the file; its SHA-256, which is the same for the same release."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **self.arrays)
        atomic_write(folder / NAME, buffer.getvalue())
        return hashlib.sha256(buffer.getvalue()).hexdigest()


def canonical(release: Release, precision: str, declared: tuple[str, ...], *, alone: bool) -> Canonical:
    """The release to publish.

    Args:
        release: its public part, as audited.
        precision: of `PRECISIONS`.
        declared: names of further arrays that the scheme means to publish.
        alone: no known images were encoded with the private ones; else arrays that are not row by row hold theirs too.
    """
    arrays = {"encodings": rounded(release.encodings, precision)}
    dropped = []
    if not np.array_equal(arrays["encodings"], release.raw.get("encodings", release.encodings)):
        dropped.append(f"bits of encodings beyond {precision}")
    if release.labels is not None:
        arrays["labels"] = rounded(release.labels, precision)
    arrays["image_range"] = np.asarray(release.image_range, np.float32)
    for name, value in release.extra.items():
        if name not in declared:
            dropped.append(f"extra[{name!r}], which the scheme does not declare (publishes)")
        elif not alone and (not value.ndim or len(value) != len(release.encodings)):
            dropped.append(f"extra[{name!r}], which is not row by row and holds known images of this audit too")
        else:
            arrays[f"extra/{name}"] = rounded(value, precision) if value.dtype.kind == "f" else value
    return Canonical(arrays, dropped)


def rounded(a: NDArray[Any], precision: str) -> NDArray[Any]:
    """Numbers with so many significant bits; whole ones in the fewest bytes; zeros without sign."""
    bits = PRECISIONS[precision]
    if a.size and np.array_equal(a, np.rint(a)) and float(np.abs(a).max()) < 2**bits:
        low, high = int(a.min()), int(a.max())
        kind = next(k for k in (np.uint8, np.int16, np.int32) if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
        return a.astype(kind)
    x = a.astype(np.float32) + np.float32(0)
    x[np.abs(x) < np.finfo(np.float32).tiny] = 0
    if bits >= 24:
        return x
    if float(np.abs(x).max(initial=0)) <= HALF and float(np.abs(x).max(initial=0)) > 1e-3:
        return x.astype(np.float16)
    mantissa, exponent = np.frexp(x)  # as float16 would, at another scale
    out: NDArray[Any] = np.ldexp(np.rint(mantissa * 2**bits) / 2**bits, exponent).astype(np.float32)
    return out


def capacity(release: Release, made: Canonical, images: int) -> Finding:
    """How many bits each part of the release holds for each private image: a bound on what it could say of one."""
    parts: dict[str, NDArray[Any]] = {"encodings": release.raw.get("encodings", release.encodings)}
    if release.labels is not None:
        parts["labels"] = release.raw.get("labels", release.labels)
    parts |= {f"extra/{name}": value for name, value in release.extra.items()}
    rows: list[list[object]] = []
    total = kept = 0.0
    for name, value in parts.items():
        returned = _bits(value) * value.size / images
        published = _bits(made.arrays[name]) * made.arrays[name].size / images if name in made.arrays else 0.0
        rows.append([name, round(value.size / images, 2), round(returned), round(published)])
        total, kept = total + returned, kept + published
    rows.append(["all", "", round(total), round(kept)])
    columns = ["part", "values an image", "bits an image, as returned", "bits an image, in release.npz"]
    return Finding(
        id="checks-capacity",
        kind="check",
        title="Check: how much each part of the release can hold",
        status="measured",
        sentence=(
            f"The release holds up to {total:,.0f} bits for each private image as returned, and {kept:,.0f} "
            f"in {NAME}{'; left out: ' + '; '.join(made.dropped) if made.dropped else ''}."
        ),
        reference="design: every part of a release is a channel",
        details={"table": {"title": "", "columns": columns, "rows": rows}},
    )


def _bits(a: NDArray[Any]) -> float:
    """Bits that one value can hold: of whole numbers by their range, of others by their type."""
    if not a.size:
        return 0.0
    if a.dtype == bool:
        return 1.0
    low, high = float(a.min()), float(a.max())
    if a.dtype.kind in "iu" or (np.array_equal(a, np.rint(a)) and not np.signbit(a[a == 0]).any()):
        return math.log2(high - low + 1)
    return PRECISIONS["float16"] + 5 if a.dtype == np.float16 else 8 * a.itemsize
