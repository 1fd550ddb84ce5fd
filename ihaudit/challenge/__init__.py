"""Releases that come without a scheme, in the InstaHide Challenge's files."""

from __future__ import annotations

from ihaudit.challenge.layout import Layout, as_images
from ihaudit.challenge.metrics import ranges, score
from ihaudit.challenge.npy import load_npy

__all__ = ["Layout", "as_images", "load_npy", "ranges", "score"]
