"""Which motion of a whole picture is the picture: upright, positive, its colours in order.

A few log-densities of whole pictures (thumbnails of several sizes, colours by place), weighted by conditional logistic
regression so that similar images that none of them was fitted to are told from their own motions as well as may be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from ihaudit.attacks.numerics.jigsaw.motions import Ints, Motions, motions
from ihaudit.attacks.numerics.jigsaw.student import Floats, Student, scatter_of

#: thumbnails of at most so many pixels each way, one density for each
THUMBNAILS = (2, 4, 8)
#: similar images that densities are fitted to, and that weigh them
FITTED_TO, WEIGHED_BY = 4000, 300
#: degrees of freedom of the densities, and levels of each channel in the histogram of colours
FREEDOM, LEVELS = 5.0, 8
#: bands of rows that colours are counted in, and what is added to every count
BANDS, COUNT = 3, 0.5
#: ridge on the weights, which have unit scale
RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class Pose:
    """Fitted to similar images.

    Attributes:
        motions: the group.
        allowed: int64 (k,), the motions that are asked about, a subgroup.
        thumbnails: density of each size of `sizes`.
        sizes: edges of the thumbnails.
        colours: float32 (BANDS, LEVELS ** C), log-share of each colour in each band of rows; None for many channels.
        scale, weights: float64 (F,).
    """

    motions: Motions
    allowed: Ints
    thumbnails: tuple[Student, ...]
    sizes: tuple[tuple[int, int], ...]
    colours: Floats | None
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, similar: Floats, allowed: Ints, rng: np.random.Generator) -> Pose:
        """Fitted to float32 (S, H, W, C) in [0, 1], S of a hundred or more."""
        order = rng.permutation(len(similar))
        held = min(WEIGHED_BY, len(order) // 4)
        some = similar[order[held : held + FITTED_TO]] - np.float32(0.5)
        weighing = similar[order[:held]] - np.float32(0.5)
        h, w, c = some.shape[1:]
        sizes = tuple(dict.fromkeys((_edge(h, s), _edge(w, s)) for s in THUMBNAILS))
        densities = []
        for size in sizes:
            x = thumbnails(some, size)
            mean, scatter = scatter_of(x, FREEDOM)
            scatter += 1e-3 * np.trace(scatter) / len(scatter) * np.eye(len(scatter))
            densities.append(Student.of_scatter(mean, scatter, FREEDOM))
        colours = None
        if c <= 3:
            counts = np.full((BANDS, LEVELS**c), COUNT)
            for band, codes in enumerate(_codes(some)):
                counts[band] += np.bincount(codes.ravel(), minlength=LEVELS**c)
            colours = np.log(counts / counts.sum(1, keepdims=True)).astype(np.float32)
        f = len(sizes) + (colours is not None)
        bare = cls(motions(c), allowed, tuple(densities), sizes, colours, np.ones(f), np.ones(f))
        lead = bare._features(weighing)
        lead = lead - lead[:, :1]
        scale = np.maximum(lead[:, 1:].std((0, 1)), 1e-9) if lead.shape[1] > 1 else np.ones(f)
        lead = lead / scale

        def loss(v: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            log = log_softmax(lead @ v, axis=1)
            slope = (lead * np.exp(log)[:, :, None]).sum(1).mean(0)
            return float(-log[:, 0].mean() + RIDGE * v @ v), slope + 2 * RIDGE * v

        weights = minimize(loss, np.full(f, 1.0), jac=True, method="L-BFGS-B", bounds=[(0, None)] * f).x
        return cls(bare.motions, allowed, bare.thumbnails, sizes, colours, scale, weights)

    def log_odds(self, pictures: Floats) -> NDArray[np.float64]:
        """float64 (n, k): log-probability, but for a constant, that each allowed motion of a picture is the picture.

        Args:
            pictures: float32 (n, H, W, C) about mid-grey.
        """
        out: NDArray[np.float64] = self._features(pictures) @ (self.weights / self.scale)
        return out

    def moved(self, pictures: Floats, motion: int) -> Floats:
        """float32 (n, H, W, C) after the motion."""
        return self.motions.moved(pictures, motion)

    def _features(self, pictures: Floats) -> NDArray[np.float64]:
        """float64 (n, k, F)."""
        out = np.zeros((len(pictures), len(self.allowed), len(self.weights)))
        for i, g in enumerate(self.allowed):
            x = self.moved(pictures, int(g))
            for j, (size, density) in enumerate(zip(self.sizes, self.thumbnails, strict=True)):
                out[:, i, j] = density.log_density(thumbnails(x, size))
            if self.colours is not None:
                for band, codes in enumerate(_codes(x)):
                    out[:, i, -1] += self.colours[band][codes].mean(1)
        return out


def thumbnails(pictures: Floats, size: tuple[int, int]) -> Floats:
    """float32 (n, H, W, C) -> (n, h * w * C): means over equal parts."""
    n, h, w, c = pictures.shape
    x = pictures.reshape(n, size[0], h // size[0], size[1], w // size[1], c).mean((2, 4))
    return np.ascontiguousarray(x.reshape(n, -1))


def _edge(length: int, most: int) -> int:
    """The largest divisor of `length` up to `most`."""
    return max(d for d in range(1, most + 1) if length % d == 0)


def _codes(pictures: Floats) -> list[NDArray[np.int64]]:
    """Per band of rows int64 (n, values): the colour of every pixel, by its level in each channel."""
    level = np.clip(((pictures + 0.5) * LEVELS).astype(np.int64), 0, LEVELS - 1)
    code = np.zeros(level.shape[:3], np.int64)
    for k in range(level.shape[3]):
        code = code * LEVELS + level[..., k]
    return [v.reshape(len(v), -1) for v in np.array_split(code, BANDS, axis=1)]
