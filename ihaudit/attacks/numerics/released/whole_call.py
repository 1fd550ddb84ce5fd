"""One constant order of all values of a call: calls of the same size, of known images, tell where each value went.

A key per image, or a map that `linear` fits, says nothing of values that move between images.  But an order that is
the same in every call of some size shows itself: a value that is v1, v2, ... in calls 1, 2, ... comes from the place
that held v1, v2, ... in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.unpacked import unpacked
from ihaudit.release import Release

Codes: TypeAlias = NDArray[np.uint8]

#: calls that the order is found from (eight values of eight bits make a key of one word); one more is held out
CALLS = 8
#: share of the held-out call's values that must be back in their places
BACK = 0.9
#: share of values that may be rounded to another code
ROUNDED = 0.001


def codes_of(values: NDArray[np.generic], span: tuple[float, float]) -> Codes | None:
    """uint8 (M,): values rounded to 8 bits; None where some lie beyond them. `span` is the range of floats."""
    if values.dtype.kind not in "biuf" or not values.size:
        return None
    flat = values.ravel().astype(np.float64)
    if values.dtype.kind == "f":
        flat = (flat - span[0]) / max(span[1] - span[0], 1e-12) * 255
    whole = np.round(flat)
    if not np.isfinite(flat).all() or whole.min() < 0 or whole.max() > 255:
        return None
    return whole.astype(np.uint8)


def parts_of(release: Release) -> dict[str, Codes]:
    """Every part of a release that has the values of images: by name, uint8 (M,)."""
    arrays: dict[str, NDArray[np.generic]] = {"the encodings": release.encodings} | {
        f"the array {name!r}": np.asarray(array) for name, array in release.extra.items()
    }
    arrays |= {f"{name}, {words}": inner for name, array in arrays.items() for words, inner in unpacked(array)}
    spans = [release.image_range, (0.0, 1.0), (0.0, 255.0)]
    found = {}
    for name, array in arrays.items():
        codes = next((c for span in spans if (c := codes_of(array, span)) is not None), None)
        if codes is not None:
            found[name] = codes
    return found


def rearranged(images: NDArray[np.float32], part: Codes) -> bool:
    """Whether a part holds the values (rounded to 8 bits each) of the images (n, H, W, C) of its call, or negatives.

    Beside these, one value may stand in it any number of times, as in a sheet of pictures that is not full.
    """
    return min(_differing(_counts(_codes(images)), there) for there in _both_ways(part)) <= ROUNDED * len(part)


def _both_ways(part: Codes) -> list[NDArray[np.int64]]:
    counts = _counts(part)
    return [counts, counts[::-1]]


def _differing(here: NDArray[np.int64], there: NDArray[np.int64]) -> int:
    """Values that are not there, and those that should not be, without the most frequent of these."""
    more = there - here
    beside = max(0, int(more.sum()))
    # floats halfway between two codes may round otherwise once they are negated
    return int(np.abs(more).sum()) - beside if beside and more.max() >= beside else int(np.abs(more).sum())


def put_back(
    images: Sequence[NDArray[np.float32]], parts: Sequence[Codes], target: Codes
) -> NDArray[np.float32] | None:
    """The images of a call from its part, by what the same order did to other calls; None where there is none.

    Args:
        images: of `CALLS` + 1 calls of as many images as the target's, float32 (n, H, W, C) in [0, 1].
        parts: the same part of each of those calls, uint8 (n * H * W * C,) or more.
        target: that of the call in question.

    Returns:
        float32 (n, H, W, C), or None where the held-out call does not come back.
    """
    known = [_codes(x) for x in images]
    if len({len(c) for c in known}) > 1 or len({len(c) for c in [*parts, target]}) > 1 or len(target) < len(known[0]):
        return None
    here, there = _counts(known[0]), _both_ways(parts[0])
    negative = _differing(here, there[0]) > _differing(here, there[1])
    turned = [255 - p if negative else p for p in [*parts, target]]
    source = _places(_keys(known[:CALLS]), _keys(turned[:CALLS]))
    held_out = np.empty_like(known[CALLS])
    held_out[:] = 0
    moved = source >= 0
    held_out[source[moved]] = turned[CALLS][moved]
    if (held_out == known[CALLS]).mean() < BACK:
        return None
    answer = np.zeros_like(known[0])
    answer[source[moved]] = turned[-1][moved]
    found: NDArray[np.float32] = answer.astype(np.float32).reshape(images[0].shape) / np.float32(255)
    return found


def _codes(images: NDArray[np.float32]) -> Codes:
    return np.round(np.clip(images, 0, 1) * 255).astype(np.uint8).ravel()


def _counts(codes: Codes) -> NDArray[np.int64]:
    return np.bincount(codes, minlength=256).astype(np.int64)


def _keys(calls: Sequence[Codes]) -> NDArray[np.uint64]:
    """uint64 (M,): what stood in a place in each of eight calls."""
    return np.ascontiguousarray(np.stack(calls, 1)).view(np.uint64)[:, 0]


def _places(known: NDArray[np.uint64], seen: NDArray[np.uint64]) -> NDArray[np.int64]:
    """int64 (M,): the place that each value came from; equal keys in the order of their places, -1 where none."""
    first, second = np.argsort(known, kind="stable"), np.argsort(seen, kind="stable")
    known, seen = known[first], seen[second]
    rank = np.arange(len(seen)) - np.searchsorted(seen, seen)
    at = np.minimum(np.searchsorted(known, seen) + rank, len(known) - 1)
    out = np.full(len(seen), -1, np.int64)
    same = known[at] == seen
    out[second[same]] = first[at[same]]
    return out
