"""Encodings made place by place: which part of the image each vector was made of, and both as white vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: eigenvalues below this share of the largest are rounding
ROUNDING = 1e-8
#: share of the differences between pixels' variances that comes back in every block
RECURS = 0.5
#: share of the variance of vectors that may lie beyond the number of values of a patch
BEYOND = 0.01


@dataclass(frozen=True, eq=False)
class White:
    """Vectors at the places of a grid, turned and scaled to unit covariance.

    Attributes:
        values: float32 (n, rows, columns, r).
        mean: float64 (d,) of the vectors.
        back: float64 (r, d): vector = mean + value @ back.
        share: of the variance of the vectors that r directions hold.
    """

    values: Floats
    mean: Doubles
    back: Doubles
    share: float

    @classmethod
    def of(cls, vectors: Floats, rank: int | None = None) -> White:
        """Of float32 (n, rows, columns, d), in the strongest `rank` directions or all that are not rounding."""
        flat = vectors.reshape(-1, vectors.shape[-1]).astype(np.float64)
        mean = flat.mean(0)
        values, axes = np.linalg.eigh(np.cov(flat.T).reshape(len(mean), len(mean)))
        values, axes = values[::-1], axes[:, ::-1]
        r = int((values > ROUNDING * values[0]).sum())
        r = min(r, rank) if rank is not None else r
        deviation = np.sqrt(values[:r])
        white = ((flat - mean) @ (axes[:, :r] / deviation)).reshape(*vectors.shape[:3], r)
        share = float(values[:r].sum() / max(values.sum(), 1e-30))
        return cls(white.astype(np.float32), mean, (axes[:, :r] * deviation).T, share)

    def vectors(self, values: Floats) -> Floats:
        """float32 (..., r) -> (..., d)."""
        out: Floats = (values @ self.back + self.mean).astype(np.float32)
        return out


def grids(encodings: Floats, h: int, w: int) -> Floats | None:
    """Encodings of images of h x w pixels as float32 (n, rows, columns, d), a vector for each patch; None if not.

    Maps are taken channels last, and first where only that divides the image.
    """
    x = np.asarray(encodings, np.float32)
    if x.ndim == 3:
        tokens = x.shape[1]
        edge = round((h * w / tokens) ** 0.5)
        if edge < 2 or h % edge or w % edge or (h // edge) * (w // edge) != tokens:
            return None
        return x.reshape(len(x), h // edge, w // edge, x.shape[2])
    if x.ndim != 4:
        return None
    for maps in (x, x.transpose(0, 2, 3, 1)):
        rows, columns = maps.shape[1:3]
        if h % rows == 0 and w % columns == 0 and h // rows == w // columns > 1:
            return np.ascontiguousarray(maps)
    return None


def recurring(encodings: Floats) -> int | None:
    """The edge of the blocks of float32 (n, H, W, C) that were all mapped alike: their variances recur; None if not."""
    h, w, c = encodings.shape[1:]
    spread = encodings.var(0, dtype=np.float64)
    spread = spread - spread.mean((0, 1))
    total = float((spread**2).mean())
    for edge in range(2, min(h, w) // 2 + 1):
        if h % edge == 0 and w % edge == 0 and total > 0:
            blocks = spread.reshape(h // edge, edge, w // edge, edge, c).mean((0, 2))
            if float((blocks**2).mean()) > RECURS * total:
                return edge
    return None


def unmarked(vectors: Floats) -> Floats:
    """Vectors (n, rows, columns, d) without the mean of their place, plus the mean of all."""
    out: Floats = vectors - vectors.mean(0, keepdims=True) + vectors.mean((0, 1, 2), keepdims=True)
    return out


def patches(images: Floats, edge: int) -> Floats:
    """float32 (n, H, W, C) -> (n, rows, columns, edge * edge * C)."""
    n, h, w, c = images.shape
    grid = images.reshape(n, h // edge, edge, w // edge, edge, c).swapaxes(2, 3)
    return np.ascontiguousarray(grid.reshape(n, h // edge, w // edge, edge * edge * c))


def pictures(vectors: Floats, edge: int) -> Floats:
    """The inverse of `patches`."""
    n, rows, columns, d = vectors.shape
    grid = vectors.reshape(n, rows, columns, edge, edge, d // (edge * edge)).swapaxes(2, 3)
    return np.ascontiguousarray(grid.reshape(n, rows * edge, columns * edge, -1))
