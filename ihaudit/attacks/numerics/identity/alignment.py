"""Matching under the very key: rows that are recognised with some certainty teach how all others look.

All rows of a release share its key.  What invariant statistics recognise (and known pairs, where there are any) serves
as pairs to learn by kernel ridge how the encoding shows the image; each row is then predicted without its own pair, and
scored against every candidate; and so on, until nothing changes.  It is Procrustes matching with soft pairs (after
Grave, Joulin and Berthet 2019), for encoders that need not be orthogonal or linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ihaudit.invariants.tokens import in_order
from ihaudit.release import FloatArray, IntArray

Float64 = NDArray[np.float64]
#: principal components of the candidates that are predicted
CODE = 48
ROUNDS = 12
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True, eq=False)
class Known:
    """Pairs that are known beforehand: encodings float32 (n, ...), codes float64 (n, CODE) of their images."""

    encodings: FloatArray
    codes: Float64


@dataclass(frozen=True, eq=False)
class Codes:
    """Principal components of images: mean (F,), directions (F, q), whitened."""

    mean: FloatArray
    directions: FloatArray

    @classmethod
    def of(cls, images: FloatArray) -> Codes:
        """From images (M, H, W, C)."""
        x = np.asarray(images, np.float64).reshape(len(images), -1)
        mean = x.mean(0)
        gram = (x - mean) @ (x - mean).T
        values, vectors = np.linalg.eigh(gram)
        keep = np.flatnonzero(values > 1e-9 * max(float(values[-1]), 1e-30))[::-1][:CODE]
        directions = (x - mean).T @ vectors[:, keep] / values[keep] * np.sqrt(len(x))
        return cls(mean, directions)

    def __call__(self, images: FloatArray) -> Float64:
        """float64 (n, q)."""
        out: Float64 = (np.asarray(images, np.float64).reshape(len(images), -1) - self.mean) @ self.directions
        return out


def kernel_of(encodings: FloatArray) -> Float64:
    """Kernel between rows, float64 (E, E): the mean of a linear one and of a Gaussian of the same distances.

    The linear one alone is right for linear encoders, and together they are as good there; through a random network
    they recognise more than either.  Tokens in a shuffled order are put in the order that the rows have in common.
    """
    ordered = in_order(encodings)
    x = np.asarray(encodings if ordered is None else ordered, np.float32).reshape(len(encodings), -1)
    x = x - x.mean(0)
    linear = np.asarray(x @ x.T, np.float64)
    linear /= max(float(np.diag(linear).mean()), 1e-30)
    diagonal = np.diag(linear)
    square = (diagonal[:, None] + diagonal[None] - 2 * linear).clip(0)
    gaussian = np.exp(-square / max(float(np.median(square)), 1e-30))
    return np.asarray((linear + gaussian) / 2)


def assign(scores: Float64) -> IntArray:
    """One candidate for each row, at most one row for each candidate: int64 (E,), -1 where there are too few."""
    rows, columns = linear_sum_assignment(-np.nan_to_num(scores))
    out = np.full(len(scores), -1, np.int64)
    out[rows] = columns
    return out


def align(
    encodings: FloatArray, scores: Float64, codes: Float64, known: Known | None = None, rounds: int = ROUNDS
) -> Float64:
    """Scores of rows against candidates, with what the key shows: float64 (E, M).

    Args:
        encodings: float (E, ...), rows under one key.
        scores: float64 (E, M), log odds of every row with every candidate, without the key.
        codes: float64 (M, q), of the candidates (`Codes`).
        known: pairs under the same key.
        rounds: at most.
    """
    count = len(encodings)
    kernel = kernel_of(encodings if known is None else np.concatenate([encodings, known.encodings]))
    current, last = scores, None
    for _ in range(rounds):
        chosen = assign(current)
        if last is not None and (chosen == last).all():
            break
        last = chosen
        weights = _certainty(current, chosen)
        target = np.where(chosen[:, None] >= 0, codes[chosen], 0.0)
        if known is not None:
            target, weights = np.concatenate([target, known.codes]), np.r_[weights, np.ones(len(known.codes))]
        if weights.sum() < 3:
            break
        current = scores + _evidence(_predict(kernel, target, weights), target, weights, codes, count)
    return current


def _certainty(scores: Float64, chosen: IntArray) -> Float64:
    """How sure each row's candidate is: its probability among all, in [0, 1]."""
    z = scores - scores.max(1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(1, keepdims=True)
    return np.asarray(np.where(chosen >= 0, p[np.arange(len(p)), chosen], 0.0))


def _predict(kernel: Float64, target: Float64, weights: Float64) -> Float64:
    """Each row's code from the pairs of all others, by kernel ridge of the strength that predicts them best."""
    w = np.maximum(weights, 1e-3)
    centre = (w[:, None] * target).sum(0) / w.sum()
    y = target - centre
    best: tuple[float, Float64] = (np.inf, y)
    for penalty in PENALTIES:
        h = kernel @ np.linalg.inv(kernel + np.diag(penalty / w))
        own = np.minimum(np.diag(h), 1 - 1e-6)[:, None]
        out = (h @ y - own * y) / (1 - own)
        error = float((w[:, None] * (out - y) ** 2).sum())
        if error < best[0]:
            best = error, out
    return np.asarray(best[1] + centre)


def _evidence(predicted: Float64, target: Float64, weights: Float64, codes: Float64, count: int) -> Float64:
    """Log odds of every row's prediction with every candidate's code, (count, M)."""
    w = weights[:, None] / max(float(weights.sum()), 1e-12)
    a = (w * predicted * target).sum(0) / np.maximum((w * target * target).sum(0), 1e-12)
    noise = (w * (predicted - a * target) ** 2).sum(0)
    marginal = (w * (predicted - (w * predicted).sum(0)) ** 2).sum(0)
    noise = np.maximum(noise, 0.02 * marginal) + 1e-9
    told = np.maximum(a, 0)
    z = predicted[:count] / np.sqrt(noise)
    c = codes * told / np.sqrt(noise)
    out = -0.5 * (c * c).sum(1)[None] + z @ c.T
    return np.asarray(out - out.mean(1, keepdims=True))
