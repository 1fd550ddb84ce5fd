"""Image sets: embedded photographs, .npz, folders, CIFAR batches -> one type, `ImageSet`."""

from __future__ import annotations

from ihaudit.images.base import ImageSet, check_compatible, check_scales, without
from ihaudit.images.sources import load

__all__ = ["ImageSet", "check_compatible", "check_scales", "load", "without"]
