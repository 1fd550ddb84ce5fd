"""Maps that are diagonal in a cosine transform: secret signs of coefficients; filters (blur), by Wiener's rule.

For every coefficient j the inverse is the regression of the image's coefficient on the encoding's over the pairs,
<t_x, t_y> / <t_y, t_y>; where a coefficient of the encoding is drowned in rounding or noise that quotient is small by
itself (Wiener).  Signs are secret one by one; gains of a filter vary smoothly with frequency, so that they are pooled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter

from ihaudit.attacks.numerics.known_pairs.base import Encodings, Images, Inverse

#: share of the images' energy (their mean taken out) that must be explained by the pairs themselves
EXPLAINED = 0.5


def _grid(x: NDArray[np.float32], edge: int) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Images as blocks of the transform (`edge` 0: the whole image), and the axes to transform over."""
    n, h, w, c = x.shape
    return (x.reshape(n, h // edge, edge, w // edge, edge, c), (2, 4)) if edge else (x, (1, 2))


def _forward(x: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    grid, axes = _grid(x, edge)
    return np.asarray(dctn(grid, axes=axes, norm="ortho"), np.float32).reshape(x.shape)


def _backward(t: NDArray[np.float32], edge: int) -> Images:
    grid, axes = _grid(t, edge)
    return np.asarray(idctn(grid, axes=axes, norm="ortho"), np.float32).reshape(t.shape)


@dataclass(frozen=True, eq=False)
class SpectralInverse:
    """Multiplies every cosine coefficient by a gain of its own."""

    words: str
    gain: NDArray[np.float32]
    mean_x: NDArray[np.float32]
    mean_y: NDArray[np.float32]
    edge: int

    def __call__(self, encodings: Encodings) -> Images:
        """See `Inverse`."""
        t = (_forward(encodings, self.edge) - self.mean_y) * self.gain + self.mean_x
        return _backward(t.astype(np.float32), self.edge)


def fit_spectra(images: Images, encodings: Encodings) -> list[Inverse]:
    """Secret signs in blocks of 8, 16, 4 or the whole image, and smooth filters of the whole image."""
    if encodings.shape != images.shape:
        return []
    h, w = images.shape[1:3]
    out: list[Inverse] = []
    for edge in [b for b in (8, 16, 4) if h % b == 0 and w % b == 0 and min(h, w) > b] + [0]:
        tx, ty = (_forward(v, edge) for v in (images, encodings))
        if np.allclose(np.abs(tx), np.abs(ty), atol=2e-2 * float(np.abs(tx).std())):
            signs = np.where((tx * ty).sum(0) < 0, -1, 1).astype(np.float32)
            where = f"of blocks of {edge} x {edge}" if edge else "of the whole image"
            zero = np.zeros_like(signs)
            out.append(SpectralInverse(f"signs of the cosine coefficients {where}", signs, zero, zero, edge))
            return out
    tx, ty = (_forward(v, 0) for v in (images, encodings))
    mean_x, mean_y = (t.mean(0) if len(t) > 4 else np.zeros_like(t[0]) for t in (tx, ty))
    cross, power = ((tx - mean_x) * (ty - mean_y)).sum((0, 3)), ((ty - mean_y) ** 2).sum((0, 3))
    # Gains of neighbouring frequencies are alike; the energies that they come from fall steeply, so each is
    # smoothed relative to what is expected of it.
    level = np.maximum(gaussian_filter(power, 2.0), 1e-12)
    gain = gaussian_filter(cross / level, 1.0) / np.maximum(gaussian_filter(power / level, 1.0), 1e-9)
    left = tx - mean_x - gain[None, :, :, None] * (ty - mean_y)
    if float((left**2).sum()) < (1 - EXPLAINED) * float(((tx - mean_x) ** 2).sum()):
        words = "a filter, the same for all places and images"
        out.append(SpectralInverse(words, gain[:, :, None].astype(np.float32), mean_x, mean_y, 0))
    return out
