"""The image that is most plausible behind an encoding: the forward map by regression, images by their covariance.

Few pairs tell the map y = x M + e of a secret matrix only in the directions that they span; what an image has beside
them is noise in y, of a size that leaving pairs out shows.  With the covariance S of similar images (the distribution)
the estimate is Wiener's,

    x' = mean + (y - mean_y) (M^T S M + v I)^-1 M^T S,

which tells more than the regression of x on y: that one has to learn the covariance from the pairs too.  Only inner
products of y with those of the pairs matter, so that encodings of any length are first turned into at most `DIRECTIONS`
coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, solve

from ihaudit.attacks.numerics.known_pairs.base import Encodings, Images, Inverse

#: strengths of the forward ridge tried, as shares of the mean eigenvalue of the pairs' Gram matrix
STRENGTHS = np.logspace(-6, 1, 8)
#: coordinates of encodings at most
DIRECTIONS = 2000
#: similar images that the covariance is taken from at most, each with its mirror image; and values of a picture above
#: which they are fewer, in proportion
SIMILAR, LARGE = 3000, 6144
#: what is added to the covariance, as a share of its mean variance, on the diagonal
SHRINKAGE = 2e-4


@dataclass(frozen=True, eq=False)
class PriorInverse:
    """x' = mean + (scaled (y - centre)) turned @ weights.

    Attributes:
        centre, scale: float32 (D,) of flat encodings.
        turned: float32 (D, L), an orthonormal basis.
        weights: float32 (L, P).
        mean: float32 (P,) of images.
        forward: float32 (P, L), the regression of turned encodings on images less `mean`.
        offset: float32 (L,) of that regression.
        noise: standard deviation of what it leaves in each of the L coordinates, for a new image.
    """

    words: str
    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    turned: NDArray[np.float32]
    weights: NDArray[np.float32]
    mean: NDArray[np.float32]
    forward: NDArray[np.float32]
    offset: NDArray[np.float32]
    noise: float
    shape: tuple[int, int, int]

    def __call__(self, encodings: Encodings) -> Images:
        """See `Inverse`."""
        y = ((encodings.reshape(len(encodings), -1) - self.centre) * self.scale) @ self.turned
        out = ((y - self.offset) @ self.weights + self.mean).astype(np.float32)
        return out.reshape(len(y), *self.shape)

    def imagined(self, images: Images, rng: np.random.Generator) -> Images:
        """What the inverse would answer for encodings of these images, by the map as far as it is known."""
        x = images.reshape(len(images), -1) - self.mean
        y = x @ self.forward + np.float32(self.noise) * rng.standard_normal((len(x), len(self.offset)), np.float32)
        out: Images = y @ self.weights + self.mean
        return out.reshape(images.shape)


def fit_prior(images: Images, encodings: Encodings, similar: Images) -> list[Inverse]:
    """The inverse by the covariance of `similar` images (M, H, W, C) and the pairs' own; empty from few pairs."""
    n = len(images)
    if n < 16 or len(similar) < 16:
        return []
    x, flat = images.reshape(n, -1), encodings.reshape(n, -1).astype(np.float32)
    sample = np.concatenate([similar[: SIMILAR * LARGE // max(LARGE, x.shape[1])], images])
    rows = np.concatenate([sample, sample[:, :, ::-1]]).reshape(2 * len(sample), -1)
    mean = rows.mean(0)
    rows = rows - mean
    x = x - mean
    centre = flat.mean(0)
    spread = flat.std(0)
    # Coordinates of one scale: what the regression leaves is then alike in all of them.
    left = _left_out(x, (flat - centre) / np.maximum(spread, 1e-3 * spread.mean() + 1e-12))[1].std(0) * spread
    scale = 1 / np.maximum(left, 0.1 * float(left.mean()) + 1e-12)
    y = (flat - centre) * scale
    turned = _basis(y)
    strength, residual = _left_out(x, y)
    variance = float((residual**2).mean())
    y = (y @ turned).astype(np.float32)
    offset = y.mean(0)
    centred = x - x.mean(0)
    gram = (centred @ centred.T).astype(np.float64)
    gram[np.diag_indices(n)] += strength
    forward = (centred.T @ solve(gram, (y - offset).astype(np.float64), assume_a="pos")).astype(np.float32)
    offset = offset - x.mean(0) @ forward
    seen = rows @ forward
    rho = SHRINKAGE * float((rows**2).mean())
    inner = (seen.T @ seen).astype(np.float64) / len(rows) + rho * (forward.T @ forward)
    inner[np.diag_indices(len(inner))] += variance
    outer = rows.T @ seen / np.float32(len(rows)) + np.float32(rho) * forward
    weights = solve(inner, outer.T.astype(np.float64), assume_a="pos").astype(np.float32)
    h, w, c = (int(v) for v in images.shape[1:])
    words = "the most plausible image under one affine map"
    f = np.float32
    return [
        PriorInverse(
            words,
            centre.astype(f),
            scale.astype(f),
            turned,
            weights,
            mean.astype(f),
            forward,
            offset.astype(f),
            float(np.sqrt(variance)),
            (h, w, c),
        )
    ]


def _left_out(x: NDArray[np.float32], y: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
    """The strength of the ridge of y (n, D) on x (n, P), and its residuals (n, D) with each pair left out."""
    x, y = x - x.mean(0), y - y.mean(0)
    # The smallest eigenvalue belongs to the constant vector, which the intercept takes up: left out of I - H.
    values, vectors = eigh((x @ x.T).astype(np.float64), subset_by_index=(1, len(x) - 1))
    values = np.maximum(values, 0)
    columns = np.unique(np.linspace(0, y.shape[1] - 1, 400).astype(np.int64))  # enough to choose by
    best: tuple[float, float] = (np.inf, 0.0)
    for strength in STRENGTHS * max(float(values.mean()), 1e-30):
        keep = strength / (values + strength)
        diagonal = np.maximum((vectors**2 * keep).sum(1), 1e-9)[:, None]
        error = float(np.mean((vectors @ (keep[:, None] * (vectors.T @ y[:, columns])) / diagonal) ** 2))
        best = min(best, (error, strength))
    keep = best[1] / (values + best[1])
    diagonal = np.maximum((vectors**2 * keep).sum(1), 1e-9)[:, None]
    residual = (vectors @ (keep[:, None] * (vectors.T @ y))) / diagonal
    return best[1], residual.astype(np.float32)


def _basis(y: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (D, L): principal directions of the rows of y (n, D), L = min(n, D, `DIRECTIONS`)."""
    n, d = y.shape
    if d <= min(n, DIRECTIONS):
        return np.eye(d, dtype=np.float32)
    if d <= n:
        vectors = eigh((y.T @ y).astype(np.float64), subset_by_index=(d - DIRECTIONS, d - 1))[1]
        return np.asarray(vectors, np.float32)
    low = max(0, n - DIRECTIONS)
    values, vectors = eigh((y @ y.T).astype(np.float64), subset_by_index=(low, n - 1))
    good = values > 1e-9 * values[-1]
    return np.asarray(y.T @ (vectors[:, good] / np.sqrt(values[good])), np.float32)
