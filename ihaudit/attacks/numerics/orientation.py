"""Positive or negative?  |c . a| fits a set of images and their negatives equally well."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Shape = tuple[int, int, int]


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
