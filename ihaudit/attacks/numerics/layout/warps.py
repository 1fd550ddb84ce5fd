"""Smooth errors of a layout: area-preserving displacements, and the score of a Gaussian picture model along them.

A layout is one to one, so its smooth error neither stretches nor gathers: it is the curl of a stream function that is
constant on the border.  Writing z for the pictures as laid out, L_j for the derivative along field j, Q for the
precision of similar images and E for the mean over pictures, the log-likelihood's slope along field j is
``-E[(z - mu)' Q L_j z]``, and its curvature ``E[(L_i z)' Q L_j z]``: second moments are enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, eye_array, kron

from ihaudit.attacks.numerics.layout.pictures import Floats, Model, Moments

#: white noise in the blurred pictures, as a share of their variance
NOISE = 0.01


@dataclass(frozen=True, eq=False)
class Warps:
    """Displacement fields, and the likelihood that judges them.

    Attributes:
        fields: float32 (2, P, J), displacements down and right.
        derivatives: sparse (P, P), down and right.
        precision: float32 (C, P, P), of similar images blurred by `sigma`.
            sigma: the blur.
    """

    fields: Floats
    derivatives: tuple[csr_matrix, csr_matrix]
    precision: Floats
    sigma: float

    @classmethod
    def of(cls, model: Model, sigma: float, order: int, precision: Floats) -> Warps:
        """All products of sines j, k >= 1 with j + k <= `order` + 1 as stream functions."""
        h, w = model.height, model.width
        fields = _fields(h, w, order)
        slopes = (
            csr_matrix(kron(_slope(h), eye_array(w))).astype(np.float32),
            csr_matrix(kron(eye_array(h), _slope(w))).astype(np.float32),
        )
        return cls(fields, slopes, precision, sigma)

    def curvature(self, model: Model, moments: Moments) -> NDArray[np.float64]:
        """float64 (J, J), damped, at pictures as laid out; it hardly changes from step to step."""
        out: NDArray[np.float64] = np.zeros((self.fields.shape[2],) * 2)
        for k, q in enumerate(self.precision):
            mean = moments.mean[k]
            seen = model.blurred(moments.covariance[k] + np.outer(mean, mean), self.sigma)
            for left, u in zip(self.derivatives, self.fields, strict=True):
                rough = (left @ seen).T
                for right, v in zip(self.derivatives, self.fields, strict=True):
                    out += u.T @ ((q * (right @ rough).T) @ v)
        out += 1e-2 * np.diag(np.diag(out)) + 1e-3 * np.trace(out) / len(out) * np.eye(len(out))
        return out

    def step(self, model: Model, moments: Moments, curvature: NDArray[np.float64]) -> Floats:
        """float32 (P, 2): the Newton step; the picture at p should take what lies at p + step[p].

        It is far too short (by a factor of about ten) since the slope of a rough picture is used to first order.

        Args:
            model: of similar images.
            moments: of the pictures as laid out.
            curvature: see `curvature`.
        """
        slope = np.zeros(self.fields.shape[2])
        for k, q in enumerate(self.precision):
            mean = moments.mean[k]
            cross = moments.covariance[k] + np.outer(mean, mean - model.moments.mean[k])
            cross = model.blurred(cross, self.sigma)
            for d, u in zip(self.derivatives, self.fields, strict=True):
                slope += u.T @ np.einsum("pr,pr->p", d @ cross, q)
        out: Floats = (self.fields @ np.linalg.solve(curvature, -slope)).T.astype(np.float32)
        return out


def interpolation(displacement: Floats, h: int, w: int) -> csr_matrix:
    """Sparse (P, P): takes a picture to the one whose value at p was at p + displacement[p] (bilinear)."""
    row, column = np.divmod(np.arange(h * w), w)
    y, x = np.clip(row + displacement[:, 0], 0, h - 1), np.clip(column + displacement[:, 1], 0, w - 1)
    top, left = np.minimum(y.astype(np.int64), h - 2), np.minimum(x.astype(np.int64), w - 2)
    dy, dx = y - top, x - left
    at = top * w + left
    places = np.concatenate([at, at + 1, at + w, at + w + 1])
    weights = np.concatenate([(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx]).astype(np.float32)
    return csr_matrix((weights, (np.tile(np.arange(h * w), 4), places)), shape=(h * w, h * w))


def random_warp(rng: np.random.Generator, h: int, w: int, order: int, largest: float) -> Floats:
    """float32 (P, 2): a smooth area-preserving displacement of at most `largest` pixels."""
    fields = _fields(h, w, order)
    out: Floats = (fields @ np.asarray(rng.normal(size=fields.shape[2]), np.float32)).T
    return out * np.float32(largest / np.abs(out).max())


def _fields(h: int, w: int, order: int) -> Floats:
    y, x = np.pi * (np.arange(h) + 0.5) / h, np.pi * (np.arange(w) + 0.5) / w
    down, right = [], []
    for j in range(1, order + 1):
        for k in range(1, order + 2 - j):
            scale = np.pi / (j * j + k * k)
            down.append(scale * k * np.outer(np.sin(j * y), np.cos(k * x)).ravel())
            right.append(-scale * j * np.outer(np.cos(j * y), np.sin(k * x)).ravel())
    return np.stack([np.stack(down, 1), np.stack(right, 1)]).astype(np.float32)


def _slope(n: int) -> NDArray[np.float64]:
    """(n, n): central differences, one-sided at the ends."""
    d = np.zeros((n, n))
    for i in range(n):
        a, b = max(i - 1, 0), min(i + 1, n - 1)
        d[i, b] += 1 / (b - a)
        d[i, a] -= 1 / (b - a)
    return d
