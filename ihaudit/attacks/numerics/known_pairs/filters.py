"""A filter of the whole picture, undone by the covariance of similar images (Wiener's rule with borders).

The filter is learned inside the picture, what lies beyond its border (repeated, mirrored, black) by which of these
explains the pairs; then both are one known matrix, and the most plausible image under it is as in `prior`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

from ihaudit.attacks.numerics.known_pairs.base import Encodings, Images, Inverse

#: values of an image at most: the covariance is a matrix of that side
VALUES = 4096
#: radii of filters tried; rows of the regression at most
RADII = (2, 4, 8)
ROWS = 30_000
#: the same for a first look, and the share left unexplained in it from which all of them would say no better
FEW_ROWS, HOPELESS = 3000, 0.1
#: share of the encodings' variance that the filter may leave unexplained
UNEXPLAINED = 0.02
#: share with which a smaller filter is taken for the whole of it
EXACT = 1e-8
#: similar images used at most, each with its mirror image; what is added to the covariance's diagonal
SIMILAR, SHRINKAGE = 4000, 1e-5
#: least variance of the residual, as a share of the images'
RESOLVED = 1e-9
Border = Literal["edge", "symmetric", "reflect", "constant"]
BORDERS: tuple[Border, ...] = ("edge", "symmetric", "reflect", "constant")


@dataclass(frozen=True, eq=False)
class FilterInverse:
    """x' = mean + (y - centre) weights; float32 (P,), (P,) and (P, P)."""

    words: str
    centre: NDArray[np.float32]
    mean: NDArray[np.float32]
    weights: NDArray[np.float32]

    def __call__(self, encodings: Encodings) -> Images:
        """See `Inverse`."""
        out = (encodings.reshape(len(encodings), -1) - self.centre) @ self.weights + self.mean
        return out.reshape(encodings.shape).astype(np.float32)


def fit_filters(images: Images, encodings: Encodings, similar: Images) -> list[Inverse]:
    """The inverse of a filter for all places; empty where encodings are no filtered images."""
    if encodings.shape != images.shape or images[0].size > VALUES or len(similar) < 100:
        return []
    h, w, c = (int(v) for v in images.shape[1:])
    best: tuple[float, NDArray[np.float64], int] | None = None
    radii = [r for r in RADII if 2 * r + 4 < min(h, w)]
    # The largest filter holds the others: where it explains little even of few rows, which it can bend to, none does.
    if not radii or _inside(images, encodings, radii[-1], FEW_ROWS)[1] > HOPELESS:
        return []
    for radius in radii:
        if best is not None and best[0] <= EXACT:
            break
        kernel, left = _inside(images, encodings, radius)
        if best is None or (left < 0.8 * best[0] and best[0] > EXACT):
            best = (left, kernel, radius)
    if best is None or best[0] > UNEXPLAINED:
        return []
    _, kernel, radius = best
    flat, released = images.reshape(len(images), -1), encodings.reshape(len(images), -1)
    choices = []
    for border in BORDERS:
        forward = _matrix(kernel, radius, (h, w, c), border)
        residual = released - flat @ forward
        choices.append((float((residual**2).mean()), border, forward, residual))
    _, border, forward, residual = min(choices, key=lambda t: t[0])
    offset = residual.mean(0)
    variance = (residual**2).mean(0).astype(np.float64) if len(residual) > 8 else np.full(flat.shape[1], residual.var())
    variance = np.maximum(variance, 0.1 * float(variance.mean()))
    sample = np.concatenate([similar[:SIMILAR], images])
    rows = np.concatenate([sample, sample[:, :, ::-1]]).reshape(2 * len(sample), -1)
    mean = rows.mean(0)
    rows = rows - mean
    # Double precision from here: what a filter leaves of fine detail is smaller than single precision resolves.
    covariance = ((rows.T @ rows) / np.float32(len(rows))).astype(np.float64)
    level = float(np.trace(covariance)) / len(covariance)
    covariance[np.diag_indices(len(covariance))] += SHRINKAGE * level
    outer = covariance @ forward
    inner = forward.T @ outer
    inner[np.diag_indices(len(inner))] += np.maximum(variance, RESOLVED * level)
    weights = solve(inner, outer.T, assume_a="pos").astype(np.float32)
    words = f"the most plausible image under a filter of {2 * radius + 1} x {2 * radius + 1}"
    return [FilterInverse(words, (mean @ forward + offset).astype(np.float32), mean.astype(np.float32), weights)]


def _inside(images: Images, encodings: Encodings, radius: int, most: int = ROWS) -> tuple[NDArray[np.float64], float]:
    """The filter ((2 r + 1)^2 C, C) by least squares where it meets no border, and the share left unexplained."""
    n, h, w, c = images.shape
    side = 2 * radius + 1
    places = (h - 2 * radius) * (w - 2 * radius)
    some = np.arange(min(n, max(2 if most < ROWS else 4, most // places)))
    windows = np.lib.stride_tricks.sliding_window_view(images[some], (side, side), axis=(1, 2))
    rows = np.ascontiguousarray(np.moveaxis(windows, 3, -1)).reshape(-1, side * side * c)
    goal = encodings[some, radius : h - radius, radius : w - radius].reshape(-1, c)
    mean_r, mean_g = rows.mean(0), goal.mean(0)
    r, g = (rows - mean_r).astype(np.float64), (goal - mean_g).astype(np.float64)
    gram = r.T @ r
    gram[np.diag_indices(len(gram))] += 1e-11 * float(np.trace(gram)) / len(gram)
    kernel = solve(gram, r.T @ g, assume_a="pos")
    left = ((r @ kernel - g) ** 2).sum() / max(float((g**2).sum()), 1e-30)
    return kernel, float(left)


def _matrix(kernel: NDArray[Any], radius: int, shape: tuple[int, int, int], border: Border) -> NDArray[np.float32]:
    """float32 (P, P): y = x @ matrix, the filter with the border continued so."""
    h, w, c = shape
    side = 2 * radius + 1
    index = np.arange(h * w * c).reshape(h, w, c) + 1
    pad = ((radius, radius), (radius, radius), (0, 0))
    padded = np.pad(index, pad, mode=border)  # 0 where black
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
    source = np.moveaxis(windows, 2, -1).reshape(h * w, side * side * c)
    out = np.zeros((h * w * c + 1, h * w, c), np.float32)
    place = np.broadcast_to(np.arange(h * w)[:, None], source.shape)
    for channel in range(c):
        np.add.at(out[:, :, channel], (source, place), np.broadcast_to(kernel[:, channel], source.shape))
    return out[1:].reshape(h * w * c, h * w * c)
