"""How pictures were blurred, from their spectrum beside that of similar images, and the most plausible pictures behind.

A blur takes the same share of each frequency from all pictures.  Similar images blurred on trial show which blur leaves
the spectrum that is released: its kind, its width and what it takes to lie beyond the border.  The inverse is Wiener's
rule with the covariance of similar images; what it needs of noise is the floor of the released spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.ndimage import gaussian_filter1d, uniform_filter1d
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: what may lie beyond the border, as scipy.ndimage calls it
BORDERS = ("nearest", "reflect", "mirror", "constant", "wrap")
#: widths of Gaussians tried first, and of boxes
SIGMAS, BOXES = np.geomspace(0.5, 6.0, 14), (3, 5, 7, 9, 11)
#: images whose spectrum is compared, and similar images that the covariance is taken from, each with its mirror image
COMPARED, SIMILAR = 200, 4000
#: added to the covariance, as a share of its mean variance
SHRINKAGE = 1e-4
#: variance of noise, per unit of mean variance of images, beyond which a coordinate shows nothing
BURIED = 1e4
#: how far the likeliest width may lie from the one that the spectrum shows, as a share
NEAR = 0.05
#: rounds of width and noise in turn
ROUNDS = 2
#: share of the frequencies that show the floor of the spectrum
FLOOR = 0.02
#: root mean square of log power that may be left, over the frequencies above the floor
MATCH = 0.5
#: power that is compared at least, as a share of the strongest
DEEPEST = 1e-7
#: power at fine detail, as a share of that of similar images, from which pictures are not blurred
SHARP = 0.6


@dataclass(frozen=True, eq=False)
class Blurred:
    """A blur, the same along both axes.

    Attributes:
        kind, width, border: ``gaussian`` or ``box``; sigma or side in pixels; what lies beyond the border.
        noise: standard deviation of white noise, such as rounding's.
        left: root mean square of the log power that it does not explain.
        rows, columns: float64 (H, H) and (W, W): y = rows @ x @ columns.T.
    """

    kind: str
    width: float
    border: str
    noise: float
    left: float
    rows: Doubles
    columns: Doubles

    def __call__(self, images: Floats) -> Doubles:
        """float (n, H, W, C), blurred."""
        return _through(images, self.rows, self.columns)


@dataclass(frozen=True, eq=False)
class Prior:
    """Mean float64 (P,) and covariance (P, P) of images of `shape`, P = H * W * C."""

    mean: Doubles
    covariance: Doubles
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, similar: Floats) -> Prior:
        """Of float32 (S, H, W, C) and their mirror images."""
        some = similar[:SIMILAR]
        rows = np.concatenate([some, some[:, :, ::-1]]).reshape(2 * len(some), -1)
        mean = rows.mean(0, dtype=np.float64)
        rows = rows - mean.astype(np.float32)
        covariance = (rows.T @ rows).astype(np.float64) / len(rows)
        covariance[np.diag_indices(len(covariance))] += SHRINKAGE * np.trace(covariance) / len(covariance)
        h, w, c = (int(v) for v in similar.shape[1:])
        return cls(mean, covariance, (h, w, c))

    def _turned(self, pictures: Floats, blur: Blurred) -> _Turned:
        (u, s, v), (p, t, q) = np.linalg.svd(blur.rows), np.linalg.svd(blur.columns)
        size = len(self.mean)
        scale = np.repeat(np.outer(s, t).ravel(), self.shape[2])
        level = float(np.trace(self.covariance)) / size
        variance = (blur.noise / np.maximum(scale, 1e-30)) ** 2
        seen = variance < BURIED * level
        half = _through(self.covariance.reshape(size, *self.shape), v, q).reshape(size, size)
        turned = _through(np.ascontiguousarray(half.T).reshape(size, *self.shape), v, q).reshape(size, size)
        mean = _through(self.mean.reshape(1, *self.shape), v, q).ravel()
        apart = _through(pictures, u.T, p.T).reshape(len(pictures), size) - scale * mean
        inner = turned[np.ix_(seen, seen)] + np.diag(variance[seen])
        factor = cho_factor(inner, lower=True)
        return _Turned(half[:, seen], apart[:, seen] / scale[seen], factor, np.log(scale[seen]), apart[:, ~seen])

    def surprise(self, pictures: Floats, blur: Blurred) -> float:
        """Mean negative log-likelihood of blurred pictures (n, H, W, C), but for a constant."""
        at = self._turned(pictures, blur)
        white = solve_triangular(at.factor[0], at.apart.T, lower=True)
        squares = float((white**2).sum() + (at.buried**2).sum() / blur.noise**2) / len(pictures)
        scales = float(np.log(np.diag(at.factor[0])).sum() + at.scales.sum())
        return float(0.5 * squares + scales + at.buried.shape[1] * np.log(blur.noise))

    def sharpened(self, pictures: Floats, blur: Blurred) -> Floats:
        """The most plausible images behind blurred pictures (n, H, W, C)."""
        at = self._turned(pictures, blur)
        out = self.mean + (at.across @ cho_solve(at.factor, at.apart.T)).T
        return np.asarray(out.reshape(pictures.shape), np.float32)


@dataclass(frozen=True, eq=False)
class _Turned:
    """Pictures in the coordinates in which the blur only scales, so that nothing is lost to rounding.

    Attributes:
        across: float64 (P, k), covariance of images with the coordinates that noise leaves.
        apart: float64 (n, k), what is seen of each less its mean, divided by its scale.
        factor: Cholesky factor of the covariance of that.
        scales: float64 (k,), their logarithms.
        buried: float64 (n, P - k), what is seen of the others.
    """

    across: Doubles
    apart: Doubles
    factor: Any
    scales: Doubles
    buried: Doubles


def find_blur(pictures: Floats, similar: Floats) -> Blurred | None:
    """The blur of float32 (n, H, W, C), or None where they are as sharp as similar ones, or no blurred pictures."""
    # One channel shows it: the mean of all.
    some, like = (v[:COMPARED].mean(3, keepdims=True, dtype=np.float64) for v in (pictures, similar))
    seen, sharp = _power(some), _power(like)
    h, w = seen.shape
    fine = np.add.outer(np.arange(h) / h, np.arange(w) / w)
    coarse = np.median(seen[fine < 0.2] / np.maximum(sharp[fine < 0.2], 1e-30))
    if not 0.2 < coarse < 5 or np.median((seen / sharp)[fine > 1]) > SHARP * coarse:
        return None
    floor = float(np.quantile(seen, FLOOR))
    above = seen > max(4 * floor, DEEPEST * float(seen.max()))
    above[0, 0] = False
    if above.sum() < 8:
        return None

    def left(kind: str, width: float, border: str) -> float:
        blurred = _power(_through(like, _line(kind, width, border, h), _line(kind, width, border, w)))
        apart = np.log(seen[above]) - np.log(blurred[above] + floor)
        return float(np.sqrt(((apart - np.median(apart)) ** 2).mean()))

    found = [min((left("box", b, border), "box", float(b), border) for border in BORDERS) for b in BOXES if b < h]
    for border in BORDERS:
        rough = float(SIGMAS[np.argmin([left("gaussian", s, border) for s in SIGMAS])])
        best = minimize_scalar(
            lambda s, b=border: left("gaussian", s, b), bounds=(0.8 * rough, 1.25 * rough), method="bounded"
        )
        found.append((float(best.fun), "gaussian", float(best.x), border))
    rest, kind, width, border = min(found)
    if rest > MATCH:
        return None
    noise = float(np.sqrt(np.quantile(_power(pictures[:COMPARED]), FLOOR)))

    def blurred(width: float) -> Blurred:
        return Blurred(kind, width, border, noise, rest, *(_line(kind, width, border, size) for size in (h, w)))

    # Width and noise together, by likelihood; the mean of all channels has less of the noise.
    prior = Prior.of(similar.mean(3, keepdims=True))
    grey, share = pictures.mean(3, keepdims=True), pictures.shape[3] ** -0.5

    def surprise(width: float, noise: float) -> float:
        return prior.surprise(grey, replace(blurred(width), noise=noise * share))

    for _ in range(ROUNDS):
        if kind == "gaussian":
            near = (1 - NEAR) * width, (1 + NEAR) * width
            width = float(minimize_scalar(lambda s, n=noise: surprise(s, n), bounds=near, method="bounded").x)
        log = np.log(noise)
        noise = float(
            np.exp(
                minimize_scalar(
                    lambda v, s=width: surprise(s, np.exp(v)), bounds=(log - 3, log + 1), method="bounded"
                ).x
            )
        )
    return replace(blurred(width), noise=noise)


def _power(images: NDArray[np.floating]) -> Doubles:
    """float64 (H, W): variance of the cosine coefficients over images and channels."""
    spectrum = dctn(np.asarray(images, np.float64), axes=(1, 2), norm="ortho")
    return np.asarray(spectrum.var(0).mean(-1), np.float64)


def _through(images: NDArray[np.floating], rows: Doubles, columns: Doubles) -> Doubles:
    return np.asarray(np.einsum("ij,njkc,lk->nilc", rows, images, columns, optimize=True), np.float64)


def _line(kind: str, width: float, border: str, size: int) -> Doubles:
    """float64 (size, size): the blur along one axis."""
    unit = np.eye(size)
    if kind == "box":
        return np.asarray(uniform_filter1d(unit, int(width), axis=0, mode=border))
    return np.asarray(gaussian_filter1d(unit, width, axis=0, mode=border))
