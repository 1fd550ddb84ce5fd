"""The forms in which labels of mixtures are published, all read as weights of classes.

A soft label is ``sum_j lam_j onehot(y_j)``: one column per class, and the coefficients of the images in it.  The same
is stated in percent, as class numbers with coefficients beside them (``y_a, y_b, lambda``), smoothed, or of several
labels for each image; class numbers, one-hot and multi-hot columns name the classes alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: What is read, for refusals.
FORMS = (
    "soft labels (one column per class, weights that sum to at most 1), the same in percent, class numbers (one, or "
    "one per image), class numbers and coefficients (y_a, y_b, lambda), or 0/1 columns"
)
#: Class numbers must stay below this.
MOST_CLASSES = 100_000
#: Sums and weights of labels as stored differ from exact ones by this at most.
_ROUNDING = 0.02
#: Images of one encoding that class numbers may name.
_MOST_IMAGES = 4
#: Share of rows that must be taken apart for labels of several attributes to be read.
_READ = 0.8
#: Weights of an encoding that sum to less leave nothing of its private images.
_LEAST = 0.01

Weights = NDArray[np.float32]


class Unread(ValueError):
    """Labels of no form that is read; the sentence says why."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels as read.

    Attributes:
        weights: float32 (E, classes).
        soft: they carry the coefficients.
        form: in words; empty for soft labels as they are.
        doubtful: the form is a guess, and labels may hurt more than they help.
    """

    weights: Weights
    soft: bool
    form: str = ""
    doubtful: bool = False


def read_forms(labels: NDArray[np.generic]) -> Labels:
    """Weights of classes from numbers (E,) or (E, columns), finite and none negative.

    Raises:
        Unread: they are of no form that is read.
    """
    values = np.asarray(labels, np.float64)
    whole = bool(np.all(values == np.floor(values)))
    if values.ndim == 1:
        if not whole:
            raise Unread(f"has one fraction per encoding; {FORMS} are read")
        return _numbers(values[:, None], labels.dtype)
    if not values.any() and values.shape[1] > 1:
        raise Unread("is zero everywhere; leave the file away if there are no labels")
    return _whole(values, labels.dtype) if whole else _fractions(values)


def _fractions(values: NDArray[np.float64]) -> Labels:
    """Of numbers that are not all whole."""
    count = values.shape[1]
    if count < 2:
        raise Unread(f"has a single column of fractions; {FORMS} are read")
    sums = values.sum(1)
    numbers = [j for j in range(count) if bool(np.all(values[:, j] == np.floor(values[:, j])))]
    parts = [j for j in range(count) if j not in numbers]
    if numbers and len(parts) in (len(numbers), len(numbers) - 1) and float(values[:, parts].max()) <= 1.0001:
        named = float(values[:, numbers].max()) > 1 or (count == 3 and float(sums.max()) > 1 + _ROUNDING)
        if named:
            return _weighted(values[:, numbers], values[:, parts])
    if float(sums.max()) < _LEAST:
        raise Unread(f"has rows whose weights sum to {float(sums.max()):.3g} at most; scale them to sum to 1")
    if float(values.max()) <= 1.0001:
        if float(sums.max()) <= 1 + _ROUNDING:
            return _unsmoothed(values, sums)
        return _attributes(values)
    largest = float(sums.max())
    same = float(sums.min()) > largest * (1 - _ROUNDING)
    if 20 < largest <= 100 * (1 + _ROUNDING) and (same or float((values == 0).mean()) > 0.3):
        return _unsmoothed(values / 100, sums / 100, form="percent")
    if same:
        return _unsmoothed(values / largest, sums / largest, form=f"weights that sum to {largest:g}")
    raise Unread(f"has rows whose weights sum to {float(sums.min()):.3g} to {largest:.3g}; {FORMS} are read")


def _whole(values: NDArray[np.float64], dtype: np.dtype[np.generic]) -> Labels:
    """Of columns of whole numbers."""
    count, sums = values.shape[1], values.sum(1)
    if count == 1:
        return _numbers(values, dtype)
    if float(values.max()) <= 1:
        # class numbers of two images of two classes hold (0, 0) too; columns of the classes never do
        if count == 2 and dtype.kind in "iu" and not bool(values.any(1).all()):
            return _numbers(values, dtype)
        return Labels(values.astype(np.float32), False, "0/1 columns")
    same = float(sums.min()) > float(sums.max()) * (1 - _ROUNDING)
    if count > 2 and same and float(sums.max()) >= 50:
        return Labels((values / sums.max()).astype(np.float32), True, f"whole weights that sum to {sums.max():g}")
    if count > _MOST_IMAGES and 50 <= float(sums.max()) <= 102 and float((values == 0).mean()) > 0.3:
        return Labels((values / 100).astype(np.float32), True, "percent")
    if count > 2 and same and float(values.max()) <= _MOST_IMAGES:
        return Labels((values / sums.max()).astype(np.float32), False, "numbers of images of each class")
    parts = _percent_columns(values)
    if parts:
        rest = [j for j in range(count) if j not in parts]
        found = _weighted(values[:, rest], values[:, parts] / 100)
        return Labels(found.weights, True, f"{found.form}, in percent")
    if count <= _MOST_IMAGES:
        return _numbers(values, dtype)
    raise Unread(f"has {count} columns of whole numbers up to {values.max():g}; {FORMS} are read")


def _percent_columns(values: NDArray[np.float64]) -> list[int]:
    """Columns that hold coefficients in whole percent beside class numbers; none where there are none."""
    count = values.shape[1]
    if count == 4:
        for parts in ([2, 3], [1, 3], [0, 1]):
            if bool((np.abs(values[:, parts].sum(1) - 100) <= 100 * _ROUNDING).all()):
                return parts
    if count == 3:
        for j in (2, 0):
            others = float(np.delete(values, j, 1).max())
            if float(values[:, j].max()) <= 100 and float((values[:, j] > others).mean()) >= _READ:
                return [j]
    return []


def _numbers(values: NDArray[np.float64], dtype: np.dtype[np.generic]) -> Labels:
    """Of class numbers (E, images)."""
    names, index = _named(values)
    weights = np.zeros((len(values), max(2, len(names))), np.float32)
    weights[np.arange(len(values))[:, None], index] = 1
    kind = "class numbers" + (" stored as floats" if dtype.kind == "f" else "")
    return Labels(weights, False, kind if values.shape[1] == 1 else f"{kind} of {values.shape[1]} images each")


def _weighted(numbers: NDArray[np.float64], parts: NDArray[np.float64]) -> Labels:
    """Of class numbers (E, s) and coefficients (E, s), or (E, s - 1) where the last is what remains."""
    form = "class numbers and coefficients"
    if parts.shape[1] < numbers.shape[1]:
        parts = np.concatenate([parts, np.clip(1 - parts.sum(1, keepdims=True), 0, 1)], 1)
        form += ", the last of which is what remains to 1"
    names, index = _named(numbers)
    weights = np.zeros((len(numbers), max(2, len(names))), np.float32)
    for j in range(numbers.shape[1]):
        np.add.at(weights, (np.arange(len(numbers)), index[:, j]), parts[:, j])
    return Labels(weights, True, form)


def _named(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Classes that occur, and where each number is among them."""
    if float(numbers.max()) >= MOST_CLASSES:
        raise Unread(f"names class {numbers.max():.0f}; class numbers must be below {MOST_CLASSES}")
    names, index = np.unique(numbers, return_inverse=True)
    return names, index.reshape(numbers.shape).astype(np.int64)


def _unsmoothed(values: NDArray[np.float64], sums: NDArray[np.float64], form: str = "") -> Labels:
    """Soft labels, without what label smoothing gave to every class."""
    floor = values.min(1)
    count = values.shape[1]
    most = float((floor * count).max())
    # smoothed labels give every class of a row the same; other rows of many classes do not repeat their least value
    at_floor = (values <= floor[:, None] * (1 + 1e-3) + 1e-9).sum(1)
    if count > 2 and float(floor.min()) > 1e-6 and most < 0.6 and bool((at_floor >= count - _MOST_IMAGES).all()):
        left = np.clip(values - floor[:, None], 0, None)
        left[left <= 1e-3 * floor[:, None]] = 0
        alpha = floor * count / np.maximum(sums, 1e-9)
        values = left / np.maximum(1 - alpha, 1e-9)[:, None]
        form = ", ".join(t for t in (form, "smoothed") if t)
    return Labels(values.astype(np.float32), True, form)


def _attributes(values: NDArray[np.float64]) -> Labels:
    """Of mixtures of labels with several attributes each: every set of attributes that occurs becomes a class.

    Where two images are mixed, a row holds at most three values: either coefficient, and their sum where both images
    have an attribute.
    """
    readings = [_readings(row) for row in values]
    seen = Counter(kind for r in readings if len(r) == 1 for kind in r[0])
    chosen = [max(r, key=lambda parts: min(seen[kind] for kind in parts), default={}) for r in readings]
    sets: dict[frozenset[int], int] = {}
    for parts in chosen:
        for kind in parts:
            sets.setdefault(kind, len(sets))
    read = sum(bool(parts) for parts in chosen)
    if read < _READ * len(values):
        return Labels(values.astype(np.float32), True, "soft labels of several attributes", doubtful=True)
    weights = np.zeros((len(values), max(2, len(sets))), np.float32)
    for e, parts in enumerate(chosen):
        for kind, v in parts.items():
            weights[e, sets[kind]] += v
    form = f"mixtures of labels with several attributes, {len(sets)} sets of which are taken for classes"
    return Labels(weights, True, form, doubtful=True)


def _readings(row: NDArray[np.float64]) -> list[dict[frozenset[int], float]]:
    """Which sets of attributes a row may mix with which coefficients; empty where it cannot be taken apart."""
    used = np.flatnonzero(row > 1e-6)
    levels: list[float] = []
    for v in np.sort(row[used]):
        if not levels or v > levels[-1] * 1.002 + 1e-5:
            levels.append(float(v))

    def at(v: float) -> frozenset[int]:
        return frozenset(int(j) for j in used if abs(row[j] - v) < 2e-3)

    if len(levels) == 3 and abs(levels[0] + levels[1] - levels[2]) < 2e-3:
        low, high, both = levels
        return [{at(low) | at(both): low, at(high) | at(both): high}]
    if len(levels) == 2:  # two images without a common attribute, or one whose attributes the other has too
        low, high = levels
        everything = at(low) | at(high)
        # with the common ones at the sum, the rest is the larger or the smaller of the two coefficients alike
        return [{at(low): low, at(high): high}, {everything: low, at(high): high - low}]
    return [{at(levels[0]): levels[0]}] if len(levels) == 1 else []
