"""The one type that every image source becomes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ihaudit.errors import ImageError
from ihaudit.images.depth import Scale
from ihaudit.release import FloatArray, IntArray

#: Classes that unlabelled private images are dealt into, because schemes mix and release labels.
PSEUDO_CLASSES = 10
#: By which factor the ranges of two sets of Hounsfield units may differ: each ends at what is brightest in it.
SAME_SCALE = 1.25


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images of one shape.

    Attributes:
        images: float32 (N, H, W, C) in [0, 1], C = 1 or 3.
        labels: int64 (N,), classes 0..n-1.
        name: for reports; says where they came from, never an absolute path.
        groups: int64 (N,), which photograph (or person) each image comes from, or None.
        pseudo: whether the labels were made up because the source had none.
        notes: what reading them assumed or left out, one sentence each.
        scale: of images of more than 8 bits, where black and white lay; None for others.
    """

    images: FloatArray
    labels: IntArray
    name: str
    groups: IntArray | None = None
    pseudo: bool = False
    notes: tuple[str, ...] = ()
    scale: Scale | None = None

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def sha256(self) -> str:
        """Hash of images and labels."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images, np.float32).tobytes())
        digest.update(np.ascontiguousarray(self.labels, np.int64).tobytes())
        return digest.hexdigest()

    def subset(self, index: IntArray) -> ImageSet:
        """The images at `index` (int or bool array), in that order."""
        groups = None if self.groups is None else self.groups[index]
        return ImageSet(self.images[index], self.labels[index], self.name, groups, self.pseudo, self.notes, self.scale)

    def concat(self, other: ImageSet) -> ImageSet:
        """These images, then the other's; classes keep their numbers."""
        return ImageSet(
            np.concatenate([self.images, other.images]),
            np.concatenate([self.labels, other.labels]),
            self.name if self.name == other.name else f"{self.name} and {other.name}",
            pseudo=self.pseudo or other.pseudo,
        )

    def in_classes(self, count: int) -> ImageSet:
        """These images with their classes dealt into at most `count` larger ones: class c joins class c mod `count`."""
        return replace(self, labels=self.labels % count)

    def empty(self, shape: tuple[int, ...]) -> ImageSet:
        """No images, of the given (H, W, C)."""
        return replace(
            self,
            images=np.zeros((0, *shape), np.float32),
            labels=np.zeros(0, np.int64),
            name="none",
            groups=None,
            notes=(),
        )


def pseudo_labels(n: int) -> IntArray:
    """int64 (n,): classes dealt round, for images that come without labels."""
    return np.arange(n, dtype=np.int64) % PSEUDO_CLASSES


def check_compatible(a: ImageSet, b: ImageSet) -> None:
    """Raise an `ImageError` where two sets have images of different shapes (an empty set fits any)."""
    if len(a) and len(b) and a.images.shape[1:] != b.images.shape[1:]:
        raise ImageError(
            f"{a.name} holds images of {_size(a)}, {b.name} of {_size(b)}; give both in one size "
            "(folders of files are resized with --size)"
        )


def check_scales(a: ImageSet, b: ImageSet) -> None:
    """Raise an `ImageError` where the same values of two sets of more than 8 bits came out differently bright."""
    if a.scale is None or b.scale is None:
        return
    wide, narrow = a.scale.high - a.scale.low, b.scale.high - b.scale.low
    if not 1 / SAME_SCALE < wide / narrow < SAME_SCALE:
        raise ImageError(
            f"{a.scale.high:g} was read as white in {a.name}, and {b.scale.high:g} in {b.name}, so that "
            "the same picture would differ in them; state the bits of both with --bits, or save both in 8 bits"
        )


def without(images: ImageSet, others: ImageSet) -> ImageSet:
    """Those images that are not among the others, bit by bit; what was left out is noted."""
    known = {image.tobytes() for image in others.images}
    keep = np.array([image.tobytes() not in known for image in images.images], bool)
    if keep.all():
        return images
    note = f"{int((~keep).sum())} of {len(keep)} images are private ones too, and were left out"
    return replace(images.subset(np.flatnonzero(keep)), notes=(*images.notes, note))


def _size(s: ImageSet) -> str:
    h, w, c = s.images.shape[1:]
    return f"{h} x {w} x {c}"
