"""Image sets: embedded photographs, .npz, folders, CIFAR batches -> one type, `ImageSet`."""

from __future__ import annotations

from ihaudit.images.base import ImageSet, check_compatible
from ihaudit.images.sources import load

__all__ = ["ImageSet", "check_compatible", "load"]
