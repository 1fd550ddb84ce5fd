"""The linear map under which vectors are most likely patches of pictures, neighbouring ones together.

Windows of a few patches, brought to one contrast, are taken to be Gaussian with the moments of similar images.  The
contrast is that of white vectors, which an orthogonal map leaves alone, so that it is the same of encodings and images.
For z' = [z, 1] and x = z' G the mean negative log-likelihood of windows of T places is

    1/2 sum_ts tr(P_ts G' C_st G) - sum_t tr(l_t z'_t G) - T log |det G|,

P the precision of image windows by places, C the second moments of encoding windows: its cost does not grow with the
number of images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ihaudit.attacks.numerics.unpaired.places import Doubles, Floats

#: edge of a window in places
WINDOW = 2
#: windows of similar images at most
WINDOWS = 40_000
#: squared contrast added before windows are divided by it
LEAST_CONTRAST = 0.05
#: share of the mean variance added to every variance of windows
SHRINKAGE = 1e-3
#: steps of the optimiser, and gradients it remembers
STEPS, MEMORY = 500, 40


@dataclass(frozen=True, eq=False)
class Fitted:
    """The map, float64 (r + 1, r) from [z, 1] to white patches, and the mean negative log-likelihood per place."""

    map: Doubles
    loss: float

    def __call__(self, z: Floats) -> Floats:
        """float32 (..., r) -> (..., r); the mean of white patches is 0, whatever that of the windows was."""
        out = z @ self.map[:-1]
        return np.asarray(out - out.reshape(-1, out.shape[-1]).mean(0), np.float32)


@dataclass(frozen=True, eq=False)
class Windows:
    """Mean and precision of windows of similar images, by places: float64 (T, r) and (T, T, r, r)."""

    mean: Doubles
    precision: Doubles

    @classmethod
    def of(cls, z: Floats, rng: np.random.Generator) -> Windows:
        """Of white patches (n, rows, columns, r)."""
        x = windows(z)
        x = x[rng.permutation(len(x))[:WINDOWS]]
        t, r = x.shape[1:]
        flat = x.reshape(len(x), t * r)
        mean = flat.mean(0, dtype=np.float64)
        covariance = (flat.T @ flat).astype(np.float64) / len(flat) - np.outer(mean, mean)
        covariance[np.diag_indices(t * r)] += SHRINKAGE * np.trace(covariance) / (t * r)
        precision = np.linalg.inv(covariance).reshape(t, r, t, r).transpose(0, 2, 1, 3)
        return cls(mean.reshape(t, r), np.ascontiguousarray(precision))

    def fit(self, z: Floats, start: Doubles, steps: int = STEPS) -> Fitted:
        """The most likely map of white vectors (n, rows, columns, r), from the start (r, r)."""
        x = windows(z)
        x = np.concatenate([x, np.ones((*x.shape[:2], 1), np.float32)], 2)
        t, r = self.mean.shape
        flat = x.reshape(len(x), -1)
        seen = (
            (flat.T @ flat / np.float32(len(flat))).astype(np.float64).reshape(t, r + 1, t, r + 1).transpose(0, 2, 1, 3)
        )
        lead = np.einsum("tsab,sb->ta", self.precision, self.mean)
        linear = np.einsum("ti,ta->ia", x.mean(0, dtype=np.float64), lead)
        # Steps are taken in coordinates in which the mean precision of a place is the identity.
        values, axes = np.linalg.eigh(np.einsum("ttab->ab", self.precision) / t)
        scale = axes / np.sqrt(values) @ axes.T
        turned = axes * np.sqrt(values) @ axes.T
        first = np.concatenate([start, np.zeros((1, r))]) @ turned

        def loss(free: Doubles) -> tuple[float, Doubles]:
            g = free.reshape(r + 1, r) @ scale
            pushed = seen @ g
            pulled = np.einsum("tsia,tsba->ib", pushed, self.precision, optimize=True)
            slope = (pulled - linear) / t
            slope[:r] -= np.linalg.inv(g[:r]).T
            value = (0.5 * float((pulled * g).sum()) - float((linear * g).sum())) / t
            return value - float(np.linalg.slogdet(g[:r])[1]), (slope @ scale.T).ravel()

        found = minimize(
            loss,
            first.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": steps, "maxcor": MEMORY, "ftol": 1e-10},
        )
        return Fitted(found.x.reshape(r + 1, r) @ scale, float(found.fun))


def windows(z: Floats) -> Floats:
    """float32 (n, rows, columns, r) -> (N, T, r), of one contrast."""
    n, rows, columns, r = z.shape
    high, wide = min(WINDOW, rows), min(WINDOW, columns)
    out = np.concatenate(
        [
            z[:, y : y + high, x : x + wide].reshape(n, high * wide, r)
            for y in range(rows - high + 1)
            for x in range(columns - wide + 1)
        ]
    )
    contrast = np.sqrt((out**2).mean((1, 2), keepdims=True) + np.float32(LEAST_CONTRAST))
    scaled: Floats = out / contrast
    return scaled
