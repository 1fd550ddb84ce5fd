"""Ridge regression on cheap features: the default learner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ihaudit.contracts.context import Context
from ihaudit.contracts.learner import learner
from ihaudit.errors import NotApplicable
from ihaudit.games.learners.features import Float32, features
from ihaudit.release import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Ridge weights on standardised features; `held_out` are the out-of-fold predictions on the training rows."""

    mean: Float32
    inverse_std: Float32
    weights: Float32
    offset: Float32
    penalty: float
    held_out: Float32
    side: int
    quantiles: int

    def predict(self, encodings: FloatArray) -> Float32:
        """See `Model.predict`."""
        return self.predict_features(features(encodings, self.side, self.quantiles))

    def predict_features(self, f: Float32) -> Float32:
        """The same from `features(...)`, for callers that use them several times."""
        return np.asarray(((f - self.mean) * self.inverse_std) @ self.weights + self.offset, np.float32)


@dataclass(frozen=True)
class RidgeLearner:
    """Ridge regression on `features`, all targets from one factorisation per penalty.

    The penalty is picked by cross-validation over folds of images (never of rows), whose out-of-fold predictions are
    kept: they are honest predictions on unseen images to calibrate an adversary with.
    """

    penalties: tuple[float, ...] = (0.03, 0.3, 3.0)
    folds: int = 4
    side: int = 8
    quantiles: int = 17

    def fit(self, encodings: FloatArray, targets: FloatArray, groups: IntArray, seed: int = 0) -> LinearModel:
        """See `Learner.fit`; deterministic, `seed` deals images to folds."""
        return self.fit_features(features(encodings, self.side, self.quantiles), targets, groups, seed)

    def fit_features(self, f: Float32, targets: FloatArray, groups: IntArray, seed: int = 0) -> LinearModel:
        """The same from `features(...)` (f is not changed)."""
        y = np.asarray(targets, np.float32)
        mean, std = f.mean(0), f.std(0)
        inverse = np.where(std > 1e-6 * max(float(std.max()), 1e-30), 1 / np.maximum(std, 1e-30), 0).astype(np.float32)
        x = (f - mean) * inverse
        offset = y.mean(0)
        y = y - offset
        images = np.unique(groups)
        if len(images) < self.folds:
            raise NotApplicable(f"the learner needs encodings of at least {self.folds} images, not {len(images)}")
        fold_of = np.random.default_rng(seed).permutation(len(images)) % self.folds
        fold = fold_of[np.searchsorted(images, groups)]
        solver = _Dual(x, y, fold) if x.shape[1] > len(x) else _Primal(x, y, fold)
        best: tuple[float, float, Float32] | None = None
        for penalty in self.penalties:
            out = np.empty_like(y)
            for k in range(self.folds):
                out[fold == k] = solver.held_out(k, penalty)
            error = float(np.mean((out - y) ** 2))
            if best is None or error < best[0]:
                best = error, penalty, out
        assert best is not None
        _, penalty, out = best
        weights = solver.weights(penalty)
        return LinearModel(mean, inverse, weights, offset, penalty, out + offset, self.side, self.quantiles)


class _Primal:
    """Ridge through the F x F moments, for more rows than features."""

    def __init__(self, x: Float32, y: Float32, fold: IntArray) -> None:
        self.x, self.fold = x, fold
        parts = [fold == k for k in range(fold.max() + 1)]
        self.grams = [x[rows].T @ x[rows] for rows in parts]
        self.moments = [x[rows].T @ y[rows] for rows in parts]
        self.gram, self.moment = np.sum(self.grams, 0), np.sum(self.moments, 0)

    def held_out(self, k: int, penalty: float) -> Float32:
        rows = self.fold == k
        rest = max(1, int((~rows).sum()))
        weights = _solve(self.gram - self.grams[k], self.moment - self.moments[k], penalty * rest)
        return np.asarray(self.x[rows] @ weights, np.float32)

    def weights(self, penalty: float) -> Float32:
        return _solve(self.gram, self.moment, penalty * len(self.x))


class _Dual:
    """The same through the n x n kernel, for fewer rows than features."""

    def __init__(self, x: Float32, y: Float32, fold: IntArray) -> None:
        self.x, self.y, self.fold = x, y, fold
        self.kernel = x @ x.T

    def held_out(self, k: int, penalty: float) -> Float32:
        rest, rows = np.flatnonzero(self.fold != k), np.flatnonzero(self.fold == k)
        weights = _solve(self.kernel[np.ix_(rest, rest)], self.y[rest], penalty * len(rest))
        return np.asarray(self.kernel[np.ix_(rows, rest)] @ weights, np.float32)

    def weights(self, penalty: float) -> Float32:
        return self.x.T @ _solve(self.kernel, self.y, penalty * len(self.x))


def _solve(gram: Float32, moment: Float32, penalty: float) -> Float32:
    a = gram.copy()
    a.flat[:: len(a) + 1] += np.float32(penalty)
    out: Float32 = cho_solve(
        cho_factor(a, lower=True, overwrite_a=True, check_finite=False), moment, check_finite=False
    )
    return out


def ridge_batch(f: Float32, y: Float32, penalty: float) -> tuple[Float32, Float32]:
    """Ridge regression on B tiny sets (dozens of rows) at once, as the thousands of trainings of Theorem 3 need.

    Args:
        f: float32 (B, n, F) features; y: float32 (B, n) targets.

    Returns:
        weights (B, F) for raw features and offsets (B,), both float32.
    """
    mean = f.mean(1, keepdims=True)
    std = f.std(1, keepdims=True)
    inverse = np.where(std > 1e-6 * std.max(axis=2, keepdims=True).clip(1e-30), 1 / std.clip(1e-30), 0)
    x = (f - mean) * inverse
    centre = y.mean(1, keepdims=True)
    n, width = x.shape[1:]
    xt, target = x.transpose(0, 2, 1), (y - centre)[:, :, None]
    gram = x @ xt if n <= width else xt @ x  # the dual where it is smaller
    i = np.arange(gram.shape[1])
    gram[:, i, i] += penalty * n * 10
    w = xt @ np.linalg.solve(gram, target) if n <= width else np.linalg.solve(gram, xt @ target)
    raw = w[:, :, 0] * inverse[:, 0]
    return raw.astype(np.float32), (centre[:, 0] - (raw * mean[:, 0]).sum(1)).astype(np.float32)


@learner("ridge")
def ridge(ctx: Context) -> RidgeLearner:
    """Ridge regression on pooled and sorted values."""
    return RidgeLearner()
