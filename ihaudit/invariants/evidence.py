"""From statistics to log odds: is this row an encoding of the image whose templates these are?

Each group of statistics is reduced to the directions that differ more between images than between encodings of one
image under other keys (linear discriminant analysis), and there modelled as image + noise, both Gaussian (PLDA, Prince
and Elder 2007).  The log odds of "same image" against "any image" is closed-form, for any number of templates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.invariants.statistics import Float32
from ihaudit.release import FloatArray, IntArray

#: directions of a group that are kept, and principal components they are looked for in
DIRECTIONS, COMPONENTS = 40, 64
#: variance between images, in units of that within an image, above which a direction counts
LEAST = 0.02
#: within-image variance is at least this share of all, so that what does not vary at all has finite odds
FLOOR = 1e-5
#: log odds that are as good as certain
SURE = 20.0


@dataclass(frozen=True, eq=False)
class Group:
    """One group's model.

    Attributes:
        mean, scale: float32 (F,), of the statistics.
        directions: float32 (F, d), standardised statistics to coordinates with unit variance within an image.
        between: float64 (d,), variance between images in them.
    """

    mean: Float32
    scale: Float32
    directions: Float32
    between: NDArray[np.float64]

    def reduce(self, f: Float32) -> NDArray[np.float64]:
        """Statistics (n, F) -> coordinates float64 (n, d)."""
        # Statistics of another release may lie far outside (outliers); they may not decide alone.
        z = np.clip((f - self.mean) * self.scale, -8, 8)
        return np.asarray(z @ self.directions, np.float64)

    def odds(self, rows: NDArray[np.float64], templates: NDArray[np.float64], counts: FloatArray) -> FloatArray:
        """Log odds of every row (n, d) with every image's mean template (m, d) of `counts` (m,): float64 (n, m)."""
        gain, spread = self._posterior(counts)
        a = rows * rows
        precise = 1 / spread
        centre = gain * templates
        out = a @ precise.T - 2 * rows @ (centre * precise).T + (centre * centre * precise).sum(1)[None]
        own = (a / (1 + self.between)).sum(1)[:, None]
        size = (np.log1p(self.between)[None] - np.log(spread)).sum(1)[None]
        return tempered(0.5 * (own - out + size))

    def paired(self, rows: NDArray[np.float64], templates: NDArray[np.float64], counts: FloatArray) -> FloatArray:
        """Log odds of row i with template i: float64 (n,)."""
        gain, spread = self._posterior(counts)
        d = rows - gain * templates
        parts = rows * rows / (1 + self.between) - d * d / spread + np.log1p(self.between) - np.log(spread)
        return tempered(0.5 * parts.sum(1))

    def _posterior(self, counts: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of the next row of an image, given the mean of its templates: its gain and variance, (m, d) each."""
        b, k = self.between[None], np.maximum(np.asarray(counts, np.float64), 0)[:, None]
        gain = b * k / (b * k + 1)
        return gain, 1 + b / (b * k + 1)


def tempered(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds below -`SURE` grow with their logarithm only, in the same order.

    Noise has heavier tails than the model's; and where hardly anything varies within an image, odds of minus millions,
    of some rows more than of others, would drown what rows of the right image say.
    """
    low = np.maximum(-odds / SURE, 1.0)
    return np.asarray(np.where(odds < -SURE, -SURE * (1 + np.log(low)), odds))


def fit_group(f: Float32, images: IntArray) -> Group | None:
    """The model of one group from statistics float32 (n, F) of encodings of known images, int (n,).

    None where nothing differs between images more than within: not one direction is left.
    """
    kinds, index, counts = np.unique(images, return_inverse=True, return_counts=True)
    several = counts[index] > 1
    if several.sum() < 20:
        return None
    mean, std = f.mean(0), f.std(0)
    top = float(std.max()) if std.size else 0.0
    scale = np.where(std > 1e-6 * max(top, 1e-30), 1 / np.maximum(std, 1e-30), 0).astype(np.float32)
    z = np.clip((f - mean) * scale, -8, 8).astype(np.float64)
    cov = z.T @ z / len(z)
    values, vectors = np.linalg.eigh(cov)
    keep = values > 1e-7 * max(float(values[-1]), 1e-30)
    basis = vectors[:, keep][:, ::-1][:, :COMPONENTS] / np.sqrt(values[keep][::-1][:COMPONENTS])
    if not basis.shape[1]:
        return None
    y = z @ basis  # all components of unit variance
    sums = np.zeros((len(kinds), y.shape[1]))
    np.add.at(sums, index, y)
    inside = (y - sums[index] / counts[index][:, None])[several]
    freedom = several.sum() - (counts > 1).sum()
    within = inside.T @ inside / max(1, freedom)
    d = y.shape[1]
    # Shrunk towards its own diagonal, by the number of numbers estimated from the number of rows.
    shrink = min(0.5, d / max(1, freedom))
    within = (1 - shrink) * within + shrink * np.diag(np.diag(within)) + FLOOR * np.eye(d)
    total = y.T @ y / len(y) + FLOOR * np.eye(d)
    values, vectors = np.linalg.eigh(within)
    white = vectors / np.sqrt(values)
    spread, turn = np.linalg.eigh(white.T @ total @ white)
    between = spread[::-1] - 1
    chosen = np.flatnonzero(between > max(LEAST, 2 * np.sqrt(2 / len(y))))[:DIRECTIONS]
    if not len(chosen):
        return None
    directions = basis @ white @ turn[:, ::-1][:, chosen]
    return Group(mean, scale, directions.astype(np.float32), between[chosen])


def means(
    reduced: NDArray[np.float64], images: IntArray, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean coordinates of each of `count` images, float64 (count, d), and how many rows each has, (count,)."""
    sums, n = np.zeros((count, reduced.shape[1])), np.zeros(count)
    np.add.at(sums, images, reduced)
    np.add.at(n, images, 1)
    return sums / np.maximum(n, 1)[:, None], n
