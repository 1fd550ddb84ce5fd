"""The basis in which images are compared: cosine transform over space, decorrelated colours, frequency bands.

Natural images are nearly uncorrelated there (Field 1987), so dividing by the power per coefficient is whitening, which
is what makes a matched filter optimal: plain correlation is dominated by the few strong low frequencies that all
photographs share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: Edges of the frequency bands, in half cycles per 32 pixels.
_EDGES = (1, 2, 3, 4.5, 6.5, 9, 13, 18, 24)


def _cosines(n: int) -> Tensor:
    """Orthonormal DCT-II matrix (n, n), rows are basis functions."""
    i = np.arange(n)
    m = np.sqrt(2 / n) * np.cos(np.pi * (2 * i[None] + 1) * i[:, None] / (2 * n))
    m[0] /= np.sqrt(2)
    return torch.from_numpy(m.astype(np.float32))


def _opponents(channels: int) -> Tensor:
    """Orthonormal colour axes: luminance, blue-yellow, red-green; the identity for other channel counts."""
    if channels != 3:
        return torch.eye(channels)
    axes = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]], np.float64)
    return torch.from_numpy((axes / np.linalg.norm(axes, axis=1, keepdims=True)).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Basis:
    """An orthonormal change of basis for images (C, H, W).

    `bands` is a 0/1 matrix (C * H * W, n_bands): which band of radial frequency and colour axis a coefficient is in.
    """

    down: Tensor
    across: Tensor
    colour: Tensor
    bands: Tensor

    @classmethod
    def of(cls, channels: int, height: int, width: int) -> Basis:
        y, x = np.meshgrid(np.arange(height) / height, np.arange(width) / width, indexing="ij")
        ring = np.digitize(32 * np.hypot(y, x), _EDGES)
        every = np.stack([ring + c * (len(_EDGES) + 1) for c in range(channels)]).reshape(-1)
        _, label = np.unique(every, return_inverse=True)
        bands = torch.nn.functional.one_hot(torch.from_numpy(label)).float()
        return cls(_cosines(height), _cosines(width), _opponents(channels), bands)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C * H * W) coefficients; inner products are kept."""
        x = torch.matmul(torch.matmul(self.down, x), self.across.T)
        return torch.einsum("dc,bchw->bdhw", self.colour, x).reshape(len(x), -1)
