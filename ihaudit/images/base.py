"""The one type that every image source becomes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ihaudit.errors import ImageError
from ihaudit.release import FloatArray, IntArray

#: Classes that unlabelled private images are dealt into, because schemes mix and release labels.
PSEUDO_CLASSES = 10


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
    """

    images: FloatArray
    labels: IntArray
    name: str
    groups: IntArray | None = None
    pseudo: bool = False
    notes: tuple[str, ...] = ()

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
        return ImageSet(self.images[index], self.labels[index], self.name, groups, self.pseudo, self.notes)

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


def _size(s: ImageSet) -> str:
    h, w, c = s.images.shape[1:]
    return f"{h} x {w} x {c}"
