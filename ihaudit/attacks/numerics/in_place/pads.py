"""A pad that was added modulo 1 to every picture of a release, from the pictures alone.

Values of neighbouring pixels are nearly the same, so that the mean of ``exp(2 pi i (y_p - y_q))`` over pictures points
to the difference of their pads; the leading eigenvector of all these means is the pad but for a constant (angular
synchronisation; Singer 2011).  The constant, and smooth errors, come from the mean of similar images at every place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

Floats = NDArray[np.float32]

#: shifts that are tried, rounds of unwrapping, how near the ends a value may have wrapped
SHIFTS, ROUNDS, END = 64, 6, 0.25
#: what is added to shares of levels, and edge of the squares over which shifts are told together
COUNT, AROUND = 0.002, 5
#: share of the deviation from the mean of similar images that is taken back each round
GAIN = 0.7


def synchronised(encodings: Floats) -> tuple[NDArray[np.float64], float]:
    """float64 (D,) in [0, 1): the pad but for a constant, and how well differences agree with it, in [0, 1].

    Args:
        encodings: float32 (n, D) in [0, 1).
    """
    z = np.exp(2j * np.pi * encodings).astype(np.complex64)
    mean = z.T @ z.conj() / np.float32(len(z))
    # Chance gives means of modulus 1 / sqrt(n); squared, the true ones outweigh them.
    strength = np.abs(mean)
    weighted = mean * strength**3
    vector = np.ones(len(mean), np.complex64)
    rng = np.random.default_rng(0)
    vector = np.exp(2j * np.pi * rng.random(len(mean))).astype(np.complex64)
    for _ in range(60):
        vector = weighted @ vector
        vector /= np.abs(vector) + 1e-12
    np.fill_diagonal(strength, 0)
    nearest = strength.argmax(1)
    own = np.arange(len(mean))
    agree = np.cos(np.angle(mean[own, nearest] * vector.conj() * vector[nearest]))
    return np.mod(np.angle(vector) / (2 * np.pi), 1), float(agree.mean())


def together(encodings: Floats) -> float:
    """Median over pixels (n, H, W, C) of the modulus of the mean difference, on the circle, with the pixel beside."""
    z = np.exp(2j * np.pi * encodings).astype(np.complex64)
    return float(np.median(np.abs((z[:, :, 1:] * z[:, :, :-1].conj()).mean(0))))


def unpadded(encodings: Floats, pad: NDArray[np.float64], similar: Floats) -> Floats:
    """float32 (n, H, W, C): pictures in [0, 1] from encodings (n, H, W, C) and a pad but for a constant.

    Args:
        encodings: in [0, 1).
        pad: float64 (H * W * C,).
        similar: float32 (S, H, W, C).
    """
    shape = encodings.shape[1:]
    x = np.mod(encodings - pad.reshape(shape).astype(np.float32), 1)
    # By how much each place is off: the shift under which its values are likeliest, with those around it.
    log, seen = np.log(_histogram(similar) + COUNT), _histogram(x)
    gains = np.stack([(np.roll(seen, k, -1) * log).sum(-1) for k in range(SHIFTS)], -1)
    gains = gains.sum(2, keepdims=True) * 0.5 + gains
    shift = uniform_filter(gains, size=(AROUND, AROUND, 1, 1), mode="nearest").argmax(-1)
    x = np.mod(x + shift.astype(np.float32) / SHIFTS, 1)
    usual = similar.mean(0)
    for _ in range(ROUNDS):
        near = _neighbours(x)
        ends = (x < END) | (x > 1 - END)
        x = np.where(ends, x - np.round(x - near), x)
        x = x - np.float32(GAIN) * (x.mean(0) - usual)
        x = x - (x > 1 + END).astype(np.float32) + (x < -END).astype(np.float32)
    return np.asarray(np.clip(x, 0, 1), np.float32)


def _histogram(x: Floats) -> NDArray[np.float64]:
    """float64 (H, W, C, SHIFTS): how often each level occurs at each place, shares."""
    level = np.minimum((np.clip(x, 0, 0.9999) * SHIFTS).astype(np.int64), SHIFTS - 1).reshape(len(x), -1)
    size = level.shape[1]
    code = (np.arange(size) * SHIFTS + level).ravel()
    out: NDArray[np.float64] = np.bincount(code, minlength=size * SHIFTS).reshape(*x.shape[1:], SHIFTS) / len(x)
    return out


def _neighbours(x: Floats) -> Floats:
    """Median over the eight pixels around each, per channel, edges repeated; the other channels of the pixel too."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    h, w = x.shape[1:3]
    views = [padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    views += [np.roll(x, k, axis=3) for k in range(1, x.shape[3])]
    out: Floats = np.median(np.stack(views), axis=0)
    return out
