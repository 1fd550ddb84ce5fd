"""Second moments of pictures, position by position: what a permutation of positions carries along.

Every picture is brought to zero mean per channel and unit contrast first, its channels turned to their principal
axes over similar images; a permutation of positions commutes with both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Floats = NDArray[np.float32]

#: contrast that is added before dividing by it, so that a flat picture stays flat
LEAST_CONTRAST = 0.02
#: share of the covariance of similar images that is replaced by its average over translations, at one image per pixel
STATIONARY = 0.25


def normalised(flat: Floats) -> Floats:
    """float32 (n, P, C) -> the same with zero mean per picture and channel, and unit contrast per picture."""
    z = flat - flat.mean(1, keepdims=True)
    contrast: Floats = np.sqrt((z**2).mean((1, 2), keepdims=True))
    out: Floats = (z / (contrast + LEAST_CONTRAST)).astype(np.float32)
    return out


@dataclass(frozen=True, eq=False)
class Moments:
    """First and second moments of n pictures over their positions, per channel.

    Attributes:
        mean: float32 (C, P).
        covariance: float32 (C, P, P).
        n: number of pictures.
    """

    mean: Floats
    covariance: Floats
    n: int

    @classmethod
    def of(cls, pictures: Floats) -> Moments:
        """Of float32 (n, P, C), normalised and turned."""
        mean = pictures.mean(0)
        z = np.ascontiguousarray((pictures - mean).transpose(2, 0, 1))
        return cls(np.ascontiguousarray(mean.T), z.transpose(0, 2, 1) @ z / len(pictures), len(pictures))

    def correlation(self) -> Floats:
        """float32 (P, P): over all channels together."""
        total = self.covariance.sum(0)
        deviation = np.sqrt(np.maximum(np.diag(total), 1e-9))
        out: Floats = total / np.outer(deviation, deviation)
        return out

    def arranged(self, source: NDArray[np.int64]) -> Moments:
        """Of the pictures whose position p holds what position source[p] held."""
        return Moments(self.mean[:, source], self.covariance[:, source][:, :, source], self.n)


@dataclass(frozen=True, eq=False)
class Model:
    """What pictures are like: Gaussian per channel, fitted to similar images.

    Attributes:
        height, width: P = height * width positions, in reading order.
        axes: float32 (C, K), turns normalised colours to channels that vary independently, strongest first.
        moments: of similar images, the covariance drawn towards one that is the same everywhere.
    """

    height: int
    width: int
    axes: Floats
    moments: Moments

    @classmethod
    def of(cls, similar: Floats, channels: int | None = None) -> Model:
        """Fitted to float32 (n, H, W, C) in [0, 1]; `channels` of the strongest channels, or all."""
        n, h, w, c = similar.shape
        z = normalised(similar.reshape(n, h * w, c))
        colours = z.reshape(-1, c)
        axes = np.linalg.eigh(colours.T @ colours)[1][:, ::-1][:, :channels].astype(np.float32)
        raw = Moments.of(z @ axes)
        share = STATIONARY * min(1.0, h * w / n)
        covariance = np.stack([_positive((1 - share) * b + share * _stationary(b, h, w)) for b in raw.covariance])
        return cls(h, w, axes, Moments(raw.mean, covariance.astype(np.float32), n))

    def observed(self, flat: Floats) -> Moments:
        """Moments of pictures float32 (n, P, C) in any order of positions."""
        return Moments.of(normalised(flat) @ self.axes)

    def precision(self, sigma: float, noise: float) -> Floats:
        """float32 (C, P, P): inverse covariance of pictures blurred by `sigma`, with white noise.

        `noise` is its variance as a share of the mean variance of the blurred pictures.
        """
        size = self.height * self.width
        out = []
        for b in self.moments.covariance:
            blurred = self.blurred(b, sigma)
            out.append(np.linalg.inv(blurred + noise * np.trace(blurred) / size * np.eye(size, dtype=np.float32)))
        return np.stack(out).astype(np.float32)

    def blurred(self, covariance: Floats, sigma: float) -> Floats:
        """float32 (P, P) -> the covariance of the same pictures blurred by `sigma` pixels."""
        if sigma == 0:
            return covariance
        h, w = self.height, self.width
        y, x = kernel(h, sigma), kernel(w, sigma)
        for _ in range(2):  # rows, then (transposed) columns
            grid = (y @ covariance.reshape(h, -1)).reshape(h, w, -1)
            covariance = (x @ grid).reshape(h * w, -1).T
        return np.ascontiguousarray(covariance)


@cache
def kernel(size: int, sigma: float) -> Floats:
    """float32 (size, size): a Gaussian blur along one axis, mirrored at the ends."""
    out: Floats = gaussian_filter1d(np.eye(size), sigma, axis=0).astype(np.float32)
    return out


def _positive(covariance: Floats) -> Floats:
    """The nearest positive semidefinite matrix: averages over translations are not always one."""
    values, vectors = np.linalg.eigh(covariance)
    out: Floats = (vectors * np.maximum(values, 0)) @ vectors.T
    return out


def _stationary(covariance: Floats, h: int, w: int) -> Floats:
    """The covariance with each correlation replaced by the mean over all pairs at the same offset."""
    y, x = np.divmod(np.arange(h * w), w)
    offset = (y[:, None] - y + h - 1) * (2 * w - 1) + x[:, None] - x + w - 1
    deviation = np.sqrt(np.maximum(np.diag(covariance), 1e-9))
    correlation = (covariance / np.outer(deviation, deviation)).ravel()
    count = np.maximum(np.bincount(offset.ravel()), 1)
    mean = np.bincount(offset.ravel(), correlation) / count
    out: Floats = (mean[offset] * np.outer(deviation, deviation)).astype(np.float32)
    return out
