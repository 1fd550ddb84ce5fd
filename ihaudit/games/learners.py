"""Learners: the L of the theorems.  What a scheme's encodings teach is what they give away.

`Learner` is the interface; a scheme author can pass the one their scheme is meant for (`GameSetting.learner`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from ihaudit.errors import NotApplicable
from ihaudit.release import FloatArray, IntArray

Float32 = NDArray[np.float32]


class Model(Protocol):
    """What a learner returns."""

    def predict(self, encodings: FloatArray) -> FloatArray:
        """(M, ...) encodings -> float (M, d) real scores, one per target; the sign is the class of a +-1 target."""


class Learner(Protocol):
    """Learns d targets at once from encodings."""

    def fit(self, encodings: FloatArray, targets: FloatArray, groups: IntArray, seed: int) -> Model:
        """Train.

        Args:
            encodings: float32 (M, ...).
            targets: float32 (M, d), for example +-1 per concept.
            groups: int (M,) which image each row was asked for; rows of one image stay together in validation.
            seed: of all randomness in training.
        """


def pool2d(x: FloatArray, side: int) -> Float32:
    """Average-pool (R, H, W, C) to (R, side', side', C) with side' >= side blocks of equal size (edges cropped)."""
    h, w = x.shape[1:3]
    a, b = max(1, h // side), max(1, w // side)
    x = np.asarray(x, np.float32)[:, : h // a * a, : w // b * b]
    # Sums of strided slices: several times faster than a mean over the axes of a 6-dimensional view.
    x = sum((x[:, i::a] for i in range(1, a)), x[:, ::a])
    x = sum((x[:, :, j::b] for j in range(1, b)), x[:, :, ::b])
    out: Float32 = x * np.float32(1 / (a * b))
    return out


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether encodings of this shape have a spatial grid that pooling makes sense on."""
    return len(shape) == 3 and min(shape[:2]) >= 8 and shape[2] <= 16


def features(encodings: FloatArray, side: int = 8, quantiles: int = 17, chunk: int = 2048) -> Float32:
    """The cheap learner's feature map: [pool(x), pool(|x|), sorted values], float32 (M, F).

    The |.| half is what makes sign-masked schemes learnable, the sorted values what makes permuted ones.  Encodings
    without a spatial grid are flattened and, above 1024 values, projected at random (fixed seed).

    ``side = 0`` asks for position-wise features without pooling, [x, x^2, cos 2 pi x, sin 2 pi x]: what a learner needs
    that shares the challenge's key (a permutation, or a pad added modulo 1).
    """
    if side == 0:
        return _raw_features(np.asarray(encodings, np.float32).reshape(len(encodings), -1))
    parts = [_features(encodings[i : i + chunk], side, quantiles) for i in range(0, len(encodings), chunk)]
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def _raw_features(x: Float32) -> Float32:
    turn = np.float32(2 * np.pi) * x
    return np.concatenate([x, x * x, np.cos(turn), np.sin(turn)], axis=1)


def _features(x: FloatArray, side: int, quantiles: int) -> Float32:
    x = np.asarray(x, np.float32)
    n = len(x)
    if is_image(x.shape[1:]):
        magnitude = np.abs(x)
        out = [pool2d(x, side).reshape(n, -1), pool2d(magnitude, side).reshape(n, -1)]
        channels = x.reshape(n, -1, x.shape[3])
    else:
        flat = x.reshape(n, -1)
        magnitude = np.abs(flat)
        if flat.shape[1] > 1024:
            p = np.random.default_rng(0).standard_normal((flat.shape[1], 768), np.float32) / np.sqrt(flat.shape[1])
            out = [flat @ p, magnitude @ p]
        else:
            out = [flat, magnitude]
        channels = flat[:, :, None]
    if quantiles and channels.shape[1] >= 4:
        at = np.linspace(0, channels.shape[1] - 1, quantiles).astype(int)
        for values in (channels, np.abs(channels)):
            out.append(np.sort(values, axis=1)[:, at].reshape(n, -1))
    return np.concatenate(out, axis=1)


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
        """float32 (M, d)."""
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
        if x.shape[1] > len(x):
            weights, penalty, out = self._dual(x, y, fold)
            return LinearModel(mean, inverse, weights, offset, penalty, out + offset, self.side, self.quantiles)
        grams, moments = [], []
        for k in range(self.folds):
            rows = fold == k
            grams.append(x[rows].T @ x[rows])
            moments.append(x[rows].T @ y[rows])
        gram, moment = np.sum(grams, 0), np.sum(moments, 0)
        best: tuple[float, float, Float32] | None = None
        for penalty in self.penalties:
            out = np.empty_like(y)
            for k in range(self.folds):
                rows = fold == k
                w = _solve(gram - grams[k], moment - moments[k], penalty * max(1, int((~rows).sum())))
                out[rows] = x[rows] @ w
            error = float(np.mean((out - y) ** 2))
            if best is None or error < best[0]:
                best = (error, penalty, out)
        assert best is not None
        weights = _solve(gram, moment, best[1] * len(x))
        return LinearModel(mean, inverse, weights, offset, best[1], best[2] + offset, self.side, self.quantiles)

    def _dual(self, x: Float32, y: Float32, fold: IntArray) -> tuple[Float32, float, Float32]:
        """The same through the n x n kernel, for fewer rows than features: weights, penalty, held-out predictions."""
        kernel = x @ x.T
        best: tuple[float, float, Float32] | None = None
        for penalty in self.penalties:
            out = np.empty_like(y)
            for k in range(self.folds):
                rest, rows = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
                a = _solve(kernel[np.ix_(rest, rest)], y[rest], penalty * len(rest))
                out[rows] = kernel[np.ix_(rows, rest)] @ a
            error = float(np.mean((out - y) ** 2))
            if best is None or error < best[0]:
                best = (error, penalty, out)
        assert best is not None
        return x.T @ _solve(kernel, y, best[1] * len(x)), best[1], best[2]


def _solve(gram: Float32, moment: Float32, penalty: float) -> Float32:
    a = gram.copy()
    a.flat[:: len(a) + 1] += np.float32(penalty)
    out: Float32 = cho_solve(
        cho_factor(a, lower=True, overwrite_a=True, check_finite=False), moment, check_finite=False
    )
    return out


@dataclass(frozen=True)
class Shrunk:
    """A ridge learner for tiny sets (dozens of rows), as the thousands of trainings of Theorem 3 need: `fit_batch`."""

    penalty: float = 0.3
    side: int = 8
    options: dict[str, float] = field(default_factory=dict)

    def fit_batch(self, f: Float32, y: Float32) -> tuple[Float32, Float32, Float32]:
        """B trainings at once in the dual.

        Args:
            f: float32 (B, n, F) features; y: float32 (B, n) targets.

        Returns:
            weights (B, F) for raw features, offsets (B,), both float32, and the training predictions (B, n).
        """
        mean = f.mean(1, keepdims=True)
        std = f.std(1, keepdims=True)
        inverse = np.where(std > 1e-6 * std.max(axis=2, keepdims=True).clip(1e-30), 1 / std.clip(1e-30), 0)
        x = (f - mean) * inverse
        centre = y.mean(1, keepdims=True)
        n, width = x.shape[1:]
        if n <= width:
            k = x @ x.transpose(0, 2, 1)
            k[:, np.arange(n), np.arange(n)] += self.penalty * n * 10
            a = np.linalg.solve(k, (y - centre)[:, :, None])
            w = (x.transpose(0, 2, 1) @ a)[:, :, 0]
        else:
            g = x.transpose(0, 2, 1) @ x
            g[:, np.arange(width), np.arange(width)] += self.penalty * n * 10
            w = np.linalg.solve(g, x.transpose(0, 2, 1) @ (y - centre)[:, :, None])[:, :, 0]
        raw = w * inverse[:, 0]
        offset = centre[:, 0] - (raw * mean[:, 0]).sum(1)
        return raw.astype(np.float32), offset.astype(np.float32), (f @ raw[:, :, None])[:, :, 0] + offset[:, None]
