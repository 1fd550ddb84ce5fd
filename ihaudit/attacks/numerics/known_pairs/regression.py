"""Affine maps by ridge regression: of the whole encoding, of its neighbourhoods, of tokens; and by a kernel.

In the dual form the cost grows with the number of pairs, not with the size of images, and the error of leaving each
pair out comes in closed form (Hastie, Tibshirani and Friedman, 7.10: (I - H)^-1 times the residual), by which strength
and kernel are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from ihaudit.attacks.numerics.known_pairs.base import Encodings, Images, Inverse, blocks_of, images_of

#: strengths of the ridge tried, as shares of the mean eigenvalue
STRENGTHS = np.logspace(-7, 1, 17)
#: values of the images by which the strength of a regression of the whole encoding is chosen
COLUMNS = 300
#: rows of a regression on neighbourhoods at most
ROWS = 60_000
#: values of a neighbourhood at most
WIDTH = 1600


@dataclass(frozen=True, eq=False)
class KernelInverse:
    """x = mean + k(y, Y) A."""

    words: str
    known: NDArray[np.float32]
    centre: NDArray[np.float32]
    weights: NDArray[np.float32]
    mean: NDArray[np.float32]
    shape: tuple[int, int, int]
    bandwidth: float
    row_means: NDArray[np.float64]

    def __call__(self, encodings: Encodings) -> Images:
        """See `Inverse`."""
        y = encodings.reshape(len(encodings), -1) - self.centre
        k = _kernel(y, self.known, self.bandwidth)
        k = k - k.mean(1, keepdims=True) - self.row_means + self.row_means.mean()
        out: Images = k.astype(np.float32) @ self.weights + self.mean
        return out.reshape(len(y), *self.shape)


def _kernel(a: NDArray[np.float32], b: NDArray[np.float32], bandwidth: float) -> NDArray[np.float64]:
    """Linear where `bandwidth` is 0, else Gaussian."""
    inner: NDArray[np.float64] = a.astype(np.float64) @ b.astype(np.float64).T
    if not bandwidth:
        return inner
    squared = (a.astype(np.float64) ** 2).sum(1)[:, None] + (b.astype(np.float64) ** 2).sum(1) - 2 * inner
    out: NDArray[np.float64] = np.exp(-np.maximum(squared, 0) / (2 * bandwidth**2))
    return out


def fit_global(images: Images, encodings: Encodings, only: str = "") -> list[Inverse]:
    """One affine map of the whole encoding, and one in the space of a Gaussian kernel; strengths by leaving one out.

    `only`: words of the one that is fitted; empty for both.
    """
    n = len(images)
    if n < 4:
        return []
    flat = encodings.reshape(n, -1)
    centre = flat.mean(0)
    y = flat - centre
    x = images.reshape(n, -1)
    mean = x.mean(0)
    distance = float(np.sqrt(max(2 * (y.astype(np.float64) ** 2).sum(1).mean(), 1e-30)))
    out: list[Inverse] = []
    for bandwidth, words in (
        (0.0, "an affine map of the whole encoding"),
        (1.5 * distance, "a smooth map of the encoding"),
    ):
        if only and words != only:
            continue
        k = _kernel(y, y, bandwidth)
        row_means = k.mean(1)
        centred = k - row_means[:, None] - row_means + k.mean()
        # The smallest eigenvalue belongs to the constant vector, which the intercept takes up: it is no part of I - H.
        values, vectors = eigh(centred, subset_by_index=(1, n - 1))
        values = np.maximum(values, 0)
        sampled = vectors.T @ (x - mean)[:, :: max(1, x.shape[1] // COLUMNS)]  # enough to choose by
        projected = vectors.T @ (x - mean)
        best, best_error = None, np.inf
        scale = max(float(values.mean()), 1e-30)
        for strength in STRENGTHS * scale:
            keep = strength / (values + strength)
            left = vectors @ (keep[:, None] * sampled)
            error = float(np.mean((left / np.maximum((vectors**2 * keep).sum(1), 1e-9)[:, None]) ** 2))
            if error < best_error:
                best, best_error = strength, error
        assert best is not None
        weights = (vectors @ (projected / (values + best)[:, None])).astype(np.float32)
        shape = tuple(int(v) for v in images.shape[1:])
        out.append(KernelInverse(words, y, centre, weights, mean, shape, bandwidth, row_means))  # type: ignore[arg-type]
    return out


@dataclass(frozen=True, eq=False)
class LocalInverse:
    """Each patch of the image from the neighbourhood of the encoding around it, by one affine map for all places."""

    words: str
    weights: NDArray[np.float32]
    radius: int
    edge: int
    shape: tuple[int, int, int]

    def __call__(self, encodings: Encodings) -> Images:
        """See `Inverse`."""
        out = []
        for start in range(0, len(encodings), 64):
            rows = _neighbourhoods(encodings[start : start + 64], self.radius)
            patches = rows @ self.weights[:-1] + self.weights[-1]
            out.append(images_of(patches.reshape(len(rows), -1, self.edge**2 * self.shape[2]), self.shape))
        return np.concatenate(out)


def _neighbourhoods(maps: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """float32 (n, h * w, (2 radius + 1)^2 c) of maps (n, h, w, c), mirrored at the border."""
    n, h, w = maps.shape[:3]
    planes = np.moveaxis(np.asarray(maps, np.float32), 3, 1)  # rows of windows then lie together in memory
    padded = np.pad(planes, ((0, 0), (0, 0), (radius, radius), (radius, radius)), mode="symmetric")
    padded = np.ascontiguousarray(padded)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1, 2 * radius + 1), axis=(2, 3))
    return np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(n, h * w, -1)


def fit_local(images: Images, encodings: Encodings, only: str = "") -> list[Inverse]:
    """Affine maps of neighbourhoods for encodings that are pictures or feature maps whose grid divides the image's,
    and for tokens in order; the strength of the ridge and the radius by held-out pairs, or rows of one pair.

    `only`: how the words of the one begin that is fitted; empty for all.
    """
    maps, edge = as_maps(encodings, images.shape[1:])
    if maps is None:
        return []
    n = len(images)
    target = blocks_of(images, edge)
    out: list[Inverse] = []
    height, width, channels = (int(v) for v in maps.shape[1:])
    rng = np.random.default_rng(0)
    for radius in (0, 1, 2, 4, 6):
        values = (2 * radius + 1) ** 2 * channels
        if values > WIDTH or 2 * radius + 1 > min(height, width) or (radius and encodings.ndim != 4):
            break
        if n * height * width < 2 * values:
            break
        chosen = np.sort(rng.permutation(n)[: max(1, ROWS // (height * width))])
        words = f"an affine map of neighbourhoods of {2 * radius + 1} x {2 * radius + 1}, the same everywhere"
        if encodings.ndim == 3:
            words = "an affine map of every token, the same for all"
        if not words.startswith(only):
            continue
        rows = _neighbourhoods(maps[chosen], radius).reshape(-1, values)
        goal = target[chosen].reshape(len(rows), -1)
        weights = _ridge(rows, goal)
        shape = tuple(int(v) for v in images.shape[1:])
        out.append(_AsMaps(LocalInverse(words, weights, radius, edge, shape), images.shape[1:]))  # type: ignore[arg-type]
    return out


@dataclass(frozen=True, eq=False)
class _AsMaps:
    """Lays encodings out as maps first."""

    inner: LocalInverse
    image: tuple[int, ...]

    @property
    def words(self) -> str:
        return self.inner.words

    def __call__(self, encodings: Encodings) -> Images:
        maps, _ = as_maps(encodings, self.image)
        assert maps is not None
        return self.inner(maps)


def as_maps(encodings: Encodings, image: tuple[int, ...]) -> tuple[Encodings | None, int]:
    """The encodings as maps (n, h, w, c) over the image's grid, and the edge of the image's patch per cell; or None."""
    h, w = image[:2]
    if encodings.ndim == 3:  # tokens (n, t, d): a grid of square patches in reading order
        tokens = encodings.shape[1]
        edge = round((h * w / tokens) ** 0.5)
        if edge < 1 or h % edge or w % edge or (h // edge) * (w // edge) != tokens:
            return None, 0
        return encodings.reshape(len(encodings), h // edge, w // edge, -1), edge
    if encodings.ndim != 4:
        return None, 0
    rows, columns = encodings.shape[1:3]
    if not rows or h % rows or w % columns or h // rows != w // columns:
        return None, 0
    return encodings, h // rows


def _ridge(rows: NDArray[np.float32], goal: NDArray[np.float32]) -> NDArray[np.float32]:
    """(V + 1, G) with the intercept last; strength by generalised cross-validation."""
    mean_r, mean_g = rows.mean(0, dtype=np.float64), goal.mean(0, dtype=np.float64)
    r, g = rows - mean_r.astype(np.float32), goal - mean_g.astype(np.float32)
    gram = (r.T @ r).astype(np.float64)
    cross = (r.T @ g).astype(np.float64)
    values, vectors = eigh(gram)
    values = np.maximum(values, 0)
    turned = vectors.T @ cross
    total = float((g.astype(np.float64) ** 2).sum())
    best, best_score = 0.0, np.inf
    energy = (turned**2).sum(1)
    for strength in STRENGTHS * max(float(values.mean()), 1e-30) * 0.01:
        shrink = values / (values + strength)
        fitted = (energy * (2 / (values + strength) - values / (values + strength) ** 2)).sum()
        score = max(total - fitted, 0.0) / max(1 - shrink.sum() / len(rows), 1e-6) ** 2
        if score < best_score:
            best, best_score = strength, score
    weights = vectors @ (turned / (values + best)[:, None])
    return np.concatenate([weights, (mean_g - mean_r @ weights)[None]]).astype(np.float32)
