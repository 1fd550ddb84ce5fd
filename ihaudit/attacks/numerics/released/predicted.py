"""Whole numbers that are what is left of a prediction, as in files of pictures, or state places beside values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: What is expected of a value from those to the left, above, and above to the left; int64 (n, C) each.
Predictor = Callable[[Array, Array, Array], Array]


def _average(left: Array, above: Array, corner: Array) -> Array:
    mean: Array = (left + above) // 2
    return mean


def _paeth(left: Array, above: Array, corner: Array) -> Array:
    """ISO/IEC 15948 (PNG), filter type 4: whichever neighbour is nearest to their plane."""
    a, b, c = (np.abs(left + above - corner - v) for v in (left, above, corner))
    nearest: Array = np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))
    return nearest


def _median(left: Array, above: Array, corner: Array) -> Array:
    """ISO/IEC 14495-1 (JPEG-LS): the median of the neighbours and their plane."""
    median: Array = np.clip(left + above - corner, np.minimum(left, above), np.maximum(left, above))
    return median


_PREDICTORS: tuple[tuple[str, Predictor], ...] = (("Average", _average), ("Paeth", _paeth), ("median", _median))


def undone(size: int, shape: tuple[int, ...]) -> Iterator[tuple[str, Callable[[Array], Array]]]:
    """Words, and maps of whole numbers (n, ...) of so many values a row; `shape` is (H, W, C) of images."""
    yield "sums modulo 256, signs in the lowest bit, along all values", _zigzag
    yield "values in ascending order", _ascending
    h, w, c = shape
    plane = shape if size == h * w * c else (h, w, 1) if size == h * w else None
    if plane is None:
        return
    yield "sums modulo 256 along both axes", lambda a: _bytes(a, plane).cumsum(1, np.uint8).cumsum(2, np.uint8)
    yield "differences modulo 256 along both axes", lambda a: _less(_less(_bytes(a, plane), 1), 2)
    for words, predictor in _PREDICTORS:

        def restored(a: Array, predictor: Predictor = predictor) -> Array:
            return _restored(_bytes(a, plane), predictor)

        yield f"sums modulo 256 with what the predictor {words} expects", restored


def _bytes(a: Array, plane: tuple[int, ...]) -> NDArray[np.uint8]:
    return (a.astype(np.int64) & 255).astype(np.uint8).reshape(len(a), *plane)


def _less(x: NDArray[np.uint8], axis: int) -> NDArray[np.uint8]:
    return np.diff(x, axis=axis, prepend=np.zeros_like(x.take([0], axis)))


def _restored(rest: NDArray[np.uint8], predictor: Predictor) -> NDArray[np.uint8]:
    """uint8 (n, h, w, c): each value is what the predictor expects of those before it and what was left of it."""
    n, h, w, c = rest.shape
    out = np.zeros((h + 1, w + 1, n, c), np.int64)
    left_over = rest.transpose(1, 2, 0, 3).astype(np.int64)
    for y in range(1, h + 1):
        for x in range(1, w + 1):
            expected = predictor(out[y, x - 1], out[y - 1, x], out[y - 1, x - 1])
            out[y, x] = (left_over[y - 1, x - 1] + expected) & 255
    return np.ascontiguousarray(out[1:, 1:].transpose(2, 0, 1, 3)).astype(np.uint8)


def _zigzag(a: Array) -> Array:
    """Differences whose sign is the lowest bit (0, -1, 1, -2, ... as 0, 1, 2, 3, ...), summed up."""
    x = a.reshape(len(a), -1).astype(np.int64)
    return np.add.accumulate(((x >> 1) ^ -(x & 1)).astype(np.uint8), axis=1, dtype=np.uint8)


def _ascending(a: Array) -> Array:
    """Numbers that state their place and a value, in any order; zeros where some repeat and so state none."""
    x = np.sort(a.reshape(len(a), -1), axis=1)
    return x if (x[:4, 1:] != x[:4, :-1]).all() else np.zeros_like(x)
