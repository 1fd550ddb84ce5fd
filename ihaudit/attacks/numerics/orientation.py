"""Positive or negative?  |c . a| fits a set of images and their negatives equally well."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Shape = tuple[int, int, int]


#: how far the mean of similar images must lie from mid-range, in halves of the range, to tell each image, and each
#: mixture of them, from its negative; photographs are at 0.1 to 0.3, digits and scans on a black ground at 0.5 to 0.9
FAR = 0.4


def ground(
    shape: Shape, image_range: tuple[float, float], similar: NDArray[np.floating] | None, device: torch.device
) -> Tensor | None:
    """The mean of similar images in mixing units, float32 (P,), where all of them lie clearly on one side of zero.

    A network that learned from photographs takes digits or scans on a black ground for their negatives.  The sign of
    the inner product with this mean tells one from the other.

    Args:
        similar: float32 (S, H, W, C) in [0, 1], or None.
    """
    c, h, w = shape
    low, high = image_range
    if similar is None or len(similar) == 0 or similar.shape[1:] != (h, w, c) or not low < 0 < high:
        return None
    mean = torch.from_numpy(np.asarray(similar, np.float32).mean(0)).to(device)
    known = (mean * (high - low) + low).permute(2, 0, 1).reshape(-1)
    return known if float(known.square().mean().sqrt()) > FAR * (high - low) / 2 else None


def orient(
    images: Tensor, shape: Shape, image_range: tuple[float, float], similar: NDArray[np.floating] | None
) -> tuple[Tensor, bool]:
    """The images or their negatives, whichever looks like photographs.

    Known similar images decide where there are any.  Otherwise three habits of photographs vote, each in units of how
    much single photographs vary: they are darker than mid-grey on average, bluer below than red (R > B overall, from
    warm light), and brighter at the top than at the bottom; the public mean, an average over thousands, is included.

    Args:
        images: float32 (N + 1, P) in mixing units, last row the mean public image.

    Returns:
        The images (N + 1, P) and whether they were negated.
    """
    low, high = image_range
    if low >= 0:
        return images, False
    c, h, w = shape
    middle = (low + high) / 2
    if similar is not None and len(similar):
        known = torch.from_numpy(np.asarray(similar, np.float32).mean(0)).to(images.device)
        if tuple(known.shape) == (h, w, c):
            known = (known * (high - low) + low).permute(2, 0, 1).reshape(-1)
            mean = images[:-1].mean(0)
            flipped = bool((mean * known).mean() < 0)
            return (-images if flipped else images), flipped
    stack = images.view(-1, c, h, w) / max(high - low, 1e-9)
    # the mean public image counts as much as all private images together: it averages over thousands
    weights = torch.full((len(images),), 0.5 / max(len(images) - 1, 1), device=images.device)
    weights[-1] = 0.5
    mean = (stack * weights[:, None, None, None]).sum(0) - middle * 0
    votes = -mean.mean() / 0.10
    if c == 3:
        votes = votes + (mean[0].mean() - mean[2].mean()) / 0.05
    votes = votes + (mean[:, : h // 2].mean() - mean[:, h // 2 :].mean()) / 0.10
    flipped = bool(votes < 0)
    return (-images if flipped else images), flipped
