"""Every position to the pixel that it predicts best, given a layout that is roughly right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ihaudit.attacks.numerics.layout.pictures import Floats, Model, Moments, kernel
from ihaudit.attacks.numerics.layout.warps import interpolation

#: white noise in the pictures as laid out, as a share of their variance
NOISE = 0.02


@dataclass(frozen=True, eq=False)
class Predictor:
    """A linear estimate of a picture from one whose positions are each off by Gaussian jitter.

    Attributes:
        weights: float32 (C, P, P).
        offset: float32 (C, P): the estimate of z is weights @ z + offset.
        trust: float32 (C,), what squared errors are weighted by.
    """

    weights: Floats
    offset: Floats
    trust: Floats

    @classmethod
    def smoothing(cls, model: Model, sigma: float) -> Predictor:
        """Deviations from the mean of similar images are blurred: local, whatever pictures are like."""
        blur = _blur(model, sigma)
        offset = np.stack([mean - blur @ mean for mean in model.moments.mean])
        return cls(np.stack([blur] * len(offset)), offset, np.ones(len(offset), np.float32))

    @classmethod
    def wiener(cls, model: Model, jitter: float) -> Predictor:
        """The best one for jitter of `jitter` pixels along each axis: right where far positions tell much (faces)."""
        size = model.height * model.width
        blur = _blur(model, jitter)
        weights, offset, trust = [], [], []
        for mean, b in zip(model.moments.mean, model.moments.covariance, strict=True):
            cross = blur @ b
            seen = cross @ blur.T
            # Each position by itself has the variance of one unblurred pixel.
            seen[np.diag_indices(size)] = blur @ np.diag(b) + NOISE * np.trace(b) / size
            w = np.linalg.solve(seen, cross).T.astype(np.float32)
            weights.append(w)
            offset.append(mean - w @ (blur @ mean))
            trust.append(1 / max(float(np.mean(np.diag(b) - np.einsum("pr,rp->p", w, cross))), 1e-9))
        return cls(np.stack(weights), np.stack(offset).astype(np.float32), np.asarray(trust, np.float32))

    def match(
        self, model: Model, released: Moments, layout: NDArray[np.int64], displacement: Floats | None = None
    ) -> NDArray[np.int64]:
        """A better layout: the assignment of positions to pixels with the least squared error of prediction.

        Args:
            model: of similar images.
            released: moments of the encodings over their Q = P positions.
            layout: int64 (Q,), the pixel of every released position, each used once.
            displacement: float32 (P, 2), where the picture as laid out is to be sampled instead (see `Warps.step`).
        """
        source = inverse(layout)
        warp = None if displacement is None else interpolation(displacement, model.height, model.width)
        cost = np.zeros((len(layout),) * 2, np.float32)
        for k, (w, b) in enumerate(zip(self.weights, self.offset, strict=True)):
            if warp is not None:
                w, b = warp @ w, warp @ b
            mean = released.mean[k]
            second = released.covariance[k] + np.outer(mean, mean)
            linear = second[:, source] @ w.T
            square = np.einsum("pr,rp->p", w, linear[source]) + 2 * b * (w @ mean[source]) + b * b
            cost += (square - 2 * (linear + np.outer(mean, b))) * self.trust[k]
        return np.asarray(linear_sum_assignment(cost)[1], np.int64)


def inverse(permutation: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 (P,) -> int64 (P,) with out[permutation[i]] = i."""
    out = np.empty_like(permutation)
    out[permutation] = np.arange(len(permutation))
    return out


def _blur(model: Model, sigma: float) -> Floats:
    """float32 (P, P)."""
    out: Floats = np.kron(kernel(model.height, sigma), kernel(model.width, sigma))
    return out
