"""Which way up: a layout from its mirror images and turns, by the likelihood of all pictures laid out so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ihaudit.attacks.numerics.layout.pictures import Floats, normalised

#: pixels beyond which pictures are halved for the likelihood over all channels together
MOST_PIXELS = 400
#: white noise in a likelihood, as shares of the variance
NOISE = (3e-3, 3e-2, 0.3)
#: similar images that the likelihoods are weighted by, and what is added to their covariance, as a share
WEIGHED_BY, RIDGE = 600, 0.1

#: the left-right mirror image of each of `views`
MIRROR = (1, 0, 3, 2, 6, 7, 4, 5)


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Of vectors.

    Attributes:
        mean: float32 (D,).
        vectors: float32 (D, D), eigenvectors of the covariance.
        values: float64 (D,), its eigenvalues.
    """

    mean: Floats
    vectors: Floats
    values: NDArray[np.float64]

    @classmethod
    def of(cls, flat: Floats) -> Gaussian:
        """Fitted to float32 (n, D)."""
        mean = flat.mean(0)
        values, vectors = np.linalg.eigh((flat - mean).T @ (flat - mean) / len(flat))
        return cls(mean, vectors, np.maximum(values.astype(np.float64), 0))

    def energies(self, flat: Floats) -> NDArray[np.float64]:
        """float64 (n, noises): twice the negative log-likelihood but for a constant, at every noise of `NOISE`."""
        square = ((flat - self.mean) @ self.vectors) ** 2
        weights = np.stack([1 / (self.values + noise * self.values.mean()) for noise in NOISE], 1)
        return np.asarray(square @ weights, np.float64)


@dataclass(frozen=True, eq=False)
class Orientation:
    """Which way up pictures like the similar ones are.

    Attributes:
        axes: float32 (C, C), turns colours to channels that vary independently.
        channels: of every such channel, all pixels.
        together: of halved pictures, all channels together.
        plain: float64 (K,), weights of the likelihoods that put them on one scale.
        weights: float64 (K,), those that tell similar images from their mirror images best.
    """

    axes: Floats
    channels: tuple[Gaussian, ...]
    together: Gaussian
    plain: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, similar: Floats, axes: Floats) -> Orientation:
        """Fitted to float32 (n, H, W, C); likelihoods are weighted by images that they were not fitted to."""
        held = min(WEIGHED_BY, len(similar) // 3)
        first = cls._fit(similar[held:], axes)
        this, mirrored = (first._features(v) for v in views(_standard(similar[:held]))[:2])
        lead = mirrored - this
        spread = np.atleast_2d(np.cov(lead.T))
        spread += RIDGE * np.diag(np.diag(spread)) + 1e-12 * np.eye(len(spread))
        plain = 1 / np.sqrt(np.diag(spread))
        return cls(axes, first.channels, first.together, plain, np.linalg.solve(spread, lead.mean(0)))

    @classmethod
    def _fit(cls, similar: Floats, axes: Floats) -> Orientation:
        z = _standard(similar)
        turned = (z @ axes).reshape(len(z), -1, axes.shape[1])
        channels = tuple(Gaussian.of(np.ascontiguousarray(turned[..., k])) for k in range(axes.shape[1]))
        return cls(axes, channels, Gaussian.of(_halved(z)), np.zeros(0), np.zeros(0))

    def _features(self, z: Floats) -> NDArray[np.float64]:
        """float64 (n, K) of pictures float32 (n, H, W, C): each likelihood of each."""
        turned = (z @ self.axes).reshape(len(z), -1, self.axes.shape[1])
        each = [g.energies(np.ascontiguousarray(turned[..., k])) for k, g in enumerate(self.channels)]
        return np.concatenate([*each, self.together.energies(_halved(z))], axis=1)

    def choose(self, pictures: Floats) -> tuple[int, float, float]:
        """The symmetry (index of `views`) that float32 (n, H, W, C) are likeliest in.

        Returns:
            It, how surely in [0, 1] it is the one, and how surely it is the one or its mirror image.
        """
        features = np.stack([self._features(v) for v in views(_standard(pictures))])
        energies = features @ self.plain
        best = int(np.argmin(energies.sum(1)))
        mirror = MIRROR[best]
        sides = features[[best, mirror]] @ self.weights
        if sides[1].sum() < sides[0].sum():
            best, mirror, sides = mirror, best, sides[::-1]
        leads = [v - energies[best] for i, v in enumerate(energies) if i not in (best, mirror)]
        leads.append(sides[1] - sides[0])
        surely = [float(norm.cdf(v.mean() / max(v.std() / np.sqrt(len(v)), 1e-12))) for v in leads]
        return best, min(surely), min(surely[:-1])


def views(pictures: Floats) -> list[Floats]:
    """(n, H, W, C) as they are, mirrored and turned: 4 ways, or 8 where they are square; in `symmetric`'s order."""
    out = [pictures, pictures[:, :, ::-1], pictures[:, ::-1], pictures[:, ::-1, ::-1]]
    if pictures.shape[1] == pictures.shape[2]:
        out += [v.swapaxes(1, 2) for v in out]
    return out


def symmetric(layout: NDArray[np.int64], h: int, w: int) -> list[NDArray[np.int64]]:
    """The layout int64 (P,) of pictures of h x w pixels, mirrored and turned: itself first."""
    y, x = np.divmod(layout, w)
    places = [(y, x), (y, w - 1 - x), (h - 1 - y, x), (h - 1 - y, w - 1 - x)]
    if h == w:
        places += [(b, a) for a, b in places]
    return [a * w + b for a, b in places]


def _standard(pictures: Floats) -> Floats:
    n, h, w, c = pictures.shape
    return normalised(pictures.reshape(n, h * w, c)).reshape(n, h, w, c)


def _halved(z: Floats) -> Floats:
    """float32 (n, H, W, C) -> (n, D): halved until they are small."""
    n, h, w, c = z.shape
    while h * w > MOST_PIXELS and h % 2 == 0 and w % 2 == 0:
        h, w = h // 2, w // 2
        z = z.reshape(n, h, 2, w, 2, c).mean((2, 4))
    return np.ascontiguousarray(z).reshape(n, -1)
