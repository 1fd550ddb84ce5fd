"""Orthonormal axes of pixels and colours that networks and attacks describe images by."""

from __future__ import annotations

import numpy as np
import torch
from scipy import fft
from torch import Tensor
from torch.nn import functional as F


def dct_matrix(n: int) -> Tensor:
    """Orthonormal DCT-II, float64 (n, n): rows are the axes."""
    return torch.from_numpy(fft.dct(np.eye(n), axis=0, norm="ortho"))


def colour_axes(channels: int) -> Tensor:
    """Orthonormal float64 (C, C), the mean of all channels first: opponent colours for three, else a DCT over them."""
    if channels != 3:
        return dct_matrix(channels)
    colours = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]], dtype=torch.float64)
    return F.normalize(colours, dim=1)
