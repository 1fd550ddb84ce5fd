"""What the released labels say about an encoding: which classes it mixes, and with which weights.

InstaHide and MixUp release ``label_i = sum_j lam_ij onehot(y_j)`` over the private images, so the private lambdas are
public up to one ambiguity: two images of one class add up (Carlini et al. 2021, 4.5.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

#: Classes in a row from which it names no images any more: noise, a code, or features that are published as labels.
MOST = 64

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Slots:
    """The places for private images in each encoding.

    Attributes:
        label: int64 (E, s), the class of the image in each slot, -1 for an unused slot.
        mass: float32 (E, s), its coefficient as far as the label tells (half of the sum where two images share it).
        shared: bool (E,), the row has fewer classes than images, so its coefficients are not determined.
        classes: number of classes.
        informative: the masses are coefficients (False for hard labels, or none at all: they are guesses then).
        estimated: they were guesses, and have been estimated from images since (`free_coefficients`).
    """

    label: IntArray
    mass: FloatArray
    shared: NDArray[np.bool_]
    classes: int
    informative: bool
    estimated: bool = False

    @property
    def weighted(self) -> bool:
        """Whether the masses are coefficients, by the labels or by estimate."""
        return self.informative or self.estimated

    @property
    def count(self) -> int:
        """Slots per encoding."""
        return int(self.label.shape[1])

    @property
    def share(self) -> FloatArray:
        """float32 (E,), the weight that the labels leave to public images."""
        result: FloatArray = np.clip(1 - self.mass.sum(1), 0, None).astype(np.float32)
        return result

    @property
    def whole(self) -> bool:
        """Whether every encoding is said to hold one image and nothing else."""
        alone = self.count == 1 or bool((self.label[:, 1:] < 0).all())
        return alone and bool((self.mass.sum(1) > 0.98).all())

    def every(self, step: int) -> Slots:
        """Of every `step`-th encoding."""
        return self.some(slice(None, None, step))

    def some(self, rows: IntArray | slice) -> Slots:
        """Of some encodings."""
        return replace(self, label=self.label[rows], mass=self.mass[rows], shared=self.shared[rows])

    def totals(self) -> IntArray:
        """int64 (classes,): how many slots each class fills, over all encodings."""
        used = self.label[self.label >= 0]
        return np.bincount(used, minlength=self.classes).astype(np.int64)


def read_slots(labels: NDArray[np.floating] | None, encodings: int, *, per_encoding: int | None = None) -> Slots:
    """Slots of each encoding from float (E, classes) label vectors (None: no labels are released).

    The number of private images per encoding is the largest number of classes in any row, unless stated.  Rows of more
    than `MOST` classes say nothing about images, and are not read: attacks would take each of their columns for one.
    """
    if labels is None or labels.ndim != 2 or labels.shape[1] == 0 or not np.any(labels > 0):
        return _unlabelled(encodings, per_encoding or 2)
    weights = np.clip(np.nan_to_num(np.asarray(labels, dtype=np.float32)), 0.0, None)
    # absent classes are exact zeros in such labels, or crumbs of rounding; tiny true coefficients still count as slots
    present = weights > 1e-6 * weights.max()
    hard = bool(np.all(np.isin(weights[present], np.unique(weights[present])[:1])))
    found = int(present.sum(1).max())
    if found > MOST:
        return _unlabelled(encodings, per_encoding or 2)
    s = max(found, per_encoding or 1)
    if weights.shape[1] == 1 and per_encoding is None:
        s = 2
    order = np.argsort(-np.where(present, weights, 0.0), axis=1, kind="stable")[:, :s]
    mass = np.take_along_axis(np.where(present, weights, 0.0), order, axis=1)
    label = np.where(mass > 0, order, -1)
    if label.shape[1] < s:
        pad = s - label.shape[1]
        label = np.pad(label, ((0, 0), (0, pad)), constant_values=-1)
        mass = np.pad(mass, ((0, 0), (0, pad)))
    used = (label >= 0).sum(1)
    shared = (used < s) & (used > 0)
    if s == 2:
        # one class in a row of two images: both are of that class, and half each is the best guess without images
        label[shared, 1] = label[shared, 0]
        mass[shared] = mass[shared, :1] / 2
    if hard and s > 1:
        mass = np.where(label >= 0, 1.0 / np.maximum((label >= 0).sum(1, keepdims=True), 1), 0.0) * 0.5
    return Slots(
        label.astype(np.int64), mass.astype(np.float32), shared, int(weights.shape[1]), informative=not (hard and s > 1)
    )


def _unlabelled(encodings: int, s: int) -> Slots:
    return Slots(
        label=np.zeros((encodings, s), dtype=np.int64),
        mass=np.full((encodings, s), 0.4 / s, dtype=np.float32),
        shared=np.ones(encodings, dtype=bool),
        classes=1,
        informative=False,
    )


def multiplicities(slots: Slots) -> list[int]:
    """Candidate numbers of encodings per private image (largest first) that divide the slots of every class.

    A scheme that uses every image equally often fills each class's slots a multiple of that number of times; an empty
    or trivial list means that the counts show no such structure.
    """
    if slots.count > 2 and bool(slots.shared.any()):
        return []  # the counts per class are not known then
    totals = slots.totals()
    totals = totals[totals > 0]
    if len(totals) < 2:
        return []  # one count has divisors, but nothing to share them with
    found = []
    for m in range(int(totals.min()), 3, -1):
        off = np.abs(totals - m * np.round(totals / m))
        # a coefficient that rounds to zero makes an encoding look as if both images were of one class
        if np.all(off <= 0.03 * m) and np.all(np.round(totals / m) >= 1):
            found.append(m)
    return [m for m in found if not any(abs(m - larger) <= 0.03 * larger and m < larger for larger in found)]
