"""Images as rows of coefficients: opponent colours in an orthonormal Haar pyramid, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.nn.scales import colours, pyramid, unpyramid
from ihaudit.release import FloatArray

Floats = NDArray[np.float32]

_ROWS = 1024  # converted together: bounds memory


@dataclass(frozen=True)
class Frame:
    """Shape (H, W, C) of the images, C 1 or 3, and levels of the pyramid; sides are padded to whole multiples."""

    shape: tuple[int, int, int]
    levels: int

    @property
    def side(self) -> tuple[int, int]:
        """Height and width after padding."""
        unit = 2**self.levels
        return -(-self.shape[0] // unit) * unit, -(-self.shape[1] // unit) * unit

    @property
    def bands(self) -> list[tuple[int, int, int, int]]:
        """Shapes of the pyramid's parts (colour, orientation, h, w)."""
        h, w = self.side
        fine = [(3, 3, h >> k, w >> k) for k in range(1, self.levels + 1)]
        return [*fine, (3, 1, h >> self.levels, w >> self.levels)]

    @property
    def top(self) -> slice:
        """Columns of the pyramid's last part."""
        return slice(-int(np.prod(self.bands[-1])), None)

    def columns(self, images: FloatArray) -> Floats:
        """(n, H, W, C) -> float32 (n, P)."""
        out = []
        h, w = self.side
        pad = ((0, 0), (0, h - self.shape[0]), (0, w - self.shape[1]), (0, 0))
        for k in range(0, len(images), _ROWS):
            x = np.pad(np.asarray(images[k : k + _ROWS], np.float32), pad, "symmetric")
            t = torch.from_numpy(x).expand(-1, -1, -1, 3)
            out.append(self.flat(pyramid(torch.einsum("nhwc,dc->ndhw", t, colours()), self.levels)))
        return np.concatenate(out) if out else np.zeros((0, sum(int(np.prod(b)) for b in self.bands)), np.float32)

    def images(self, columns: Floats) -> Floats:
        """The inverse, less the padding."""
        x = torch.einsum("ndhw,dc->nhwc", unpyramid(self.parts(columns)), colours())
        x = x[:, : self.shape[0], : self.shape[1]]
        return (x if self.shape[2] == 3 else x.mean(3, keepdim=True)).numpy()

    def parts(self, columns: Floats) -> list[torch.Tensor]:
        """Columns as the parts of a pyramid."""
        ends = np.cumsum([int(np.prod(b)) for b in self.bands])[:-1]
        return [
            torch.from_numpy(np.ascontiguousarray(c)).reshape(-1, *b)
            for c, b in zip(np.split(columns, ends, axis=1), self.bands)
        ]

    @staticmethod
    def flat(parts: list[torch.Tensor]) -> Floats:
        """Parts of a pyramid as columns."""
        return torch.cat([p.reshape(len(p), -1) for p in parts], 1).numpy()
