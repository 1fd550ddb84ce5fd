"""Validation of what a scheme returned, in the auditor's process.

The rules for numbers: every field may have any plain numeric dtype.  Encodings, labels and coefficients become
float32 with their *values unchanged* (uint8 0..255 stays 0..255: say ``image_range=(0, 255)``; float64 is rounded to
float32, float16 and booleans are exact); integers beyond float32's exact range (2^24) are refused rather than
rounded.  Sources become int64 and masks int8.  Extra arrays keep their dtype.
"""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.errors import SchemeError
from ihaudit.release import Provenance, Release
from ihaudit.scheme import finite

#: No image encoding needs more; a larger one would only exhaust the attacks' memory.
MAX_ENCODINGS = 5_000_000
MAX_CLASSES = 100_000
#: Squares of larger values, summed over an image, leave float32.
MAX_VALUE = 1e15
#: What a range may be: attacks divide by its width.
MAX_RANGE, MIN_WIDTH = 1e9, 1e-9
#: Further arrays of one release, and images that one encoding may be said to be made of.
MAX_EXTRA, MAX_SOURCES = 64, 4096
#: Fields that are turned into numbers of so many bytes; the others keep theirs.
_AS_STORED = {"encodings": 4, "labels": 4, "provenance/coefficients": 4, "provenance/public_coefficients": 4}
_AS_STORED |= {"provenance/sources": 8, "provenance/public_sources": 8}


def check_size(arrays: dict[str, NDArray[Any]], limit: int) -> None:
    """Refuse what fits the wire and not the memory, once it is numbers of four or eight bytes.

    Raises:
        SchemeError: all arrays together would take more than `limit` bytes.
    """
    total = sum(a.size * max(a.itemsize, _AS_STORED.get(name, 0)) for name, a in arrays.items())
    if total > limit:
        largest = max(arrays, key=lambda n: arrays[n].size * max(arrays[n].itemsize, _AS_STORED.get(n, 0)))
        raise SchemeError(
            f"the scheme returned arrays that take {total / 1e6:,.0f} MB as floats (the largest is {largest}, shape "
            f"{arrays[largest].shape}), the limit here is {limit / 1e6:,.0f} MB; release less, or audit fewer images"
        )


def release(arrays: dict[str, NDArray[Any]], image_range: Any, *, n_images: int, n_public: int) -> Release:
    """Build a validated `Release` from the arrays a scheme's process sent.

    Args:
        arrays: by wire name: ``encodings``, ``labels``, ``extra/NAME``, ``provenance/FIELD``.
        image_range: two numbers.
        n_images: number N of private images in the call; provenance.sources must lie in -1..N-1.
        n_public: number M of public images.

    Raises:
        SchemeError: one sentence naming the field, what it got and what was expected.
    """
    if "encodings" not in arrays:
        raise SchemeError("the scheme's release has no encodings")
    x = arrays["encodings"]
    if x.ndim < 2:
        raise SchemeError(
            f"encodings has shape {x.shape}, expected one row or image per encoding: (E, ...) with two or more axes"
        )
    count = len(x)
    if count < 1:
        raise SchemeError(
            f"encodings has shape {x.shape}: the scheme released no encoding at all, expected at least one"
        )
    if x.size == 0:
        raise SchemeError(f"encodings has shape {x.shape}: each encoding is empty, expected at least one value")
    if count > MAX_ENCODINGS:
        raise SchemeError(f"encodings holds {count:,} rows, expected at most {MAX_ENCODINGS:,}")
    encodings = _float32(x, "encodings")

    labels = None
    if "labels" in arrays:
        y = arrays["labels"]
        if y.ndim != 2 or len(y) != count:
            remedy = "; make rows of class numbers by np.eye(n_classes)[labels]" if y.shape == (count,) else ""
            raise SchemeError(
                f"labels has shape {y.shape}, expected one row per encoding: ({count}, n_classes), or None{remedy}"
            )
        if not 1 <= y.shape[1] <= MAX_CLASSES:
            raise SchemeError(f"labels has shape {y.shape}, expected between 1 and {MAX_CLASSES:,} classes")
        labels = _float32(y, "labels")

    bounds = [finite(v) for v in image_range[:3]] if isinstance(image_range, list) else []
    low, high = bounds if len(bounds) == 2 else (None, None)
    if low is None or high is None or not low < high:
        said = reprlib.repr(image_range)
        raise SchemeError(f"image_range is {said}, expected two finite numbers low < high, such as (-1, 1)")
    if max(abs(low), abs(high)) > MAX_RANGE or high - low < MIN_WIDTH * max(1.0, abs(low), abs(high)):
        raise SchemeError(
            f"image_range is ({low:g}, {high:g}), expected numbers up to {MAX_RANGE:g} that are not next to equal; "
            "scale the images first"
        )
    extra: dict[str, NDArray[Any]] = {}
    for name, value in arrays.items():
        if name.startswith("extra/"):
            if len(extra) == MAX_EXTRA:
                raise SchemeError(f"extra holds more than {MAX_EXTRA} arrays; put them into one")
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                raise SchemeError(f"extra[{name[6:]!r}] holds {_bad(value)}, expected finite numbers; {_LOOK}")
            extra[name[6:]] = value
    provenance = _provenance(arrays, encodings.shape, n_images, n_public)
    finer = {k: a for k, a in arrays.items() if k in ("encodings", "labels") and _is_finer(a)}
    return Release(encodings, labels, (low, high), extra, provenance, finer)


def _is_finer(a: NDArray[Any]) -> bool:
    """Whether float32 rounds some of its values, or states them in other bits."""
    return a.dtype.kind == "f" and (a.itemsize < 4 or (a.itemsize > 4 and not np.array_equal(a.astype(np.float32), a)))


def _provenance(
    arrays: dict[str, NDArray[Any]], shape: tuple[int, ...], n_images: int, n_public: int
) -> Provenance | None:
    given = {k[11:]: v for k, v in arrays.items() if k.startswith("provenance/")}
    if not given:
        return None
    if "sources" not in given:
        raise SchemeError("provenance has no sources, expected the indices of the private images in each encoding")
    sources = _indices(given["sources"], "provenance.sources", shape[0], n_images, "private")
    coefficients = _beside(given.get("coefficients"), "provenance.coefficients", sources, "sources")
    public = given.get("public_sources")
    if public is not None:
        public = _indices(public, "provenance.public_sources", shape[0], n_public, "public")
    public_coefficients = given.get("public_coefficients")
    if public_coefficients is not None:
        if public is None:
            raise SchemeError("provenance.public_coefficients is given without public_sources")
        public_coefficients = _beside(public_coefficients, "provenance.public_coefficients", public, "public_sources")
    masks = given.get("masks")
    if masks is not None:
        if masks.shape != shape:
            raise SchemeError(f"provenance.masks has shape {masks.shape}, expected that of the encodings, {shape}")
        if not (np.abs(masks.astype(np.float32, copy=False)) == 1).all():
            raise SchemeError("provenance.masks holds values other than -1 and +1")
        masks = masks.astype(np.int8)
    return Provenance(sources, coefficients, masks, public, public_coefficients)


def _indices(a: NDArray[Any], field: str, count: int, n: int, which: str) -> NDArray[np.int64]:
    if a.ndim == 1:
        a = a[:, None]
    if a.ndim != 2 or len(a) != count:
        raise SchemeError(f"{field} has shape {a.shape}, expected one row per encoding: ({count}, s)")
    if which == "private" and not a.shape[1]:
        raise SchemeError(f"{field} has shape {a.shape}, expected at least one column (-1 where there is no image)")
    if a.shape[1] > MAX_SOURCES:
        raise SchemeError(f"{field} has shape {a.shape}, expected at most {MAX_SOURCES:,} images in one encoding")
    if a.dtype.kind not in "iu":
        raise SchemeError(f"{field} has dtype {a.dtype}, expected whole numbers (indices)")
    if a.size and (int(a.min()) < -1 or int(a.max()) >= n):
        raise SchemeError(
            f"{field} holds {int(a.min())}..{int(a.max())}, expected indices of the {n} {which} images (or -1 for none)"
        )
    return a.astype(np.int64)


def _beside(a: NDArray[Any] | None, field: str, other: NDArray[Any], name: str) -> NDArray[np.float32] | None:
    if a is None:
        return None
    if a.ndim == 1 and other.shape[1] == 1:
        a = a[:, None]
    if a.shape != other.shape:
        raise SchemeError(f"{field} has shape {a.shape}, expected that of {name}, {other.shape}")
    return _float32(a, field)


def _float32(a: NDArray[Any], field: str) -> NDArray[np.float32]:
    if a.dtype.kind in "iu" and a.dtype.itemsize > 2 and a.size and max(abs(int(a.min())), abs(int(a.max()))) > 1 << 24:
        raise SchemeError(
            f"{field} holds whole numbers beyond 2^24, which float32 cannot state exactly; scale them first"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        b = a.astype(np.float32, copy=False)
        # A sum is not finite exactly when some value is not (float64 cannot overflow here), and reads the array once.
        whole = bool(np.isfinite(b.sum(dtype=np.float64)))
    if not whole:
        raise SchemeError(f"{field} holds {_bad(b)}, expected finite numbers; {_LOOK}")
    if b.size and a.dtype.kind == "f" and a.dtype.itemsize > 2:
        low, high = float(b.min()), float(b.max())
        if max(-low, high) > MAX_VALUE:
            raise SchemeError(
                f"{field} holds numbers in [{low:g}, {high:g}], expected at most {MAX_VALUE:g}; scale them"
            )
    return b


_LOOK = "look in encode for 0 / 0, logarithms and roots of what may be 0 or less, and overflow"


def _bad(a: NDArray[Any]) -> str:
    nan, inf = int(np.isnan(a).sum()), int(np.isinf(a).sum())
    values = f"{inf:,} infinite value{'' if inf == 1 else 's'}"
    return " and ".join(t for t in (f"{nan:,} NaN" if nan else "", values if inf else "") if t)
