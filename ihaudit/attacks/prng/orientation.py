"""The sign that all unmasked mixtures share: equations on differences of mask bits cannot tell whether bit 1 is -1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng.public import PublicSet, sign_by_public
from ihaudit.release import FloatArray

_SIMILAR = 200  # similar images, fewer of which say nothing about odd statistics
_CERTAIN = 4  # standard errors


@dataclass(frozen=True)
class Polarity:
    """Whether the mask bit 1 stands for -1, and how that is known."""

    flip: bool
    reason: str


def orient(
    mixtures: FloatArray,
    image_range: tuple[float, float],
    public: PublicSet | None = None,
    similar: NDArray[np.float32] | None = None,
) -> Polarity:
    """By range, by public or similar images, else by the usual convention.

    Args:
        mixtures: float32 (E, H, W, C), masks undone but for their common sign.
        image_range: the range of the images.
        public: the public set.
        similar: float32 (S, H, W, C), images like the private ones, in the range.
    """
    low, high = image_range
    if low >= 0 or high <= 0:
        wrong = float(mixtures.mean()) * (1 if low >= 0 else -1) < 0
        return Polarity(wrong, "images of one sign")
    if public is not None:
        flip = sign_by_public(mixtures[:: max(1, len(mixtures) // 64)][:64], public)
        if flip is not None:
            return Polarity(flip, "public images recognised in the mixtures")
    if similar is not None and len(similar) >= _SIMILAR:
        vote, error = _odd_vote(mixtures, similar[:8192])
        if abs(vote) > _CERTAIN * error:
            return Polarity(vote < 0, f"odd statistics of similar images ({vote / error:+.0f} standard errors)")
    return Polarity(False, "assumed: bit 1 is +1")


def _odd_features(x: FloatArray) -> NDArray[np.float64]:
    """Statistics that change sign with the image: coarse pixels, their cubes, third moments of differences."""
    n, h, w, c = x.shape
    fh, fw = max(1, h // 4), max(1, w // 4)
    coarse = x[:, : 4 * fh, : 4 * fw].reshape(n, 4, fh, 4, fw, c).mean((2, 4)).reshape(n, -1)
    centred = x - x.mean((1, 2), keepdims=True)
    scale = np.sqrt((centred**2).mean((1, 2, 3), keepdims=True)) + 1e-6
    third = ((centred / scale) ** 3).mean((1, 2))
    moments = [((np.diff(x, axis=a) / scale) ** 3).mean((1, 2)) for a in (1, 2)]
    return np.concatenate([coarse, coarse**3, third, *moments], 1).astype(np.float64)


def _odd_vote(u: FloatArray, similar: NDArray[np.float32]) -> tuple[float, float]:
    """(mean score of the mixtures, its standard error): positive where they look like mixtures of similar images.

    The score is the linear discriminant between synthetic mixtures of similar images and their negatives.
    """
    rng = np.random.default_rng(0)
    lam = np.abs(rng.standard_normal((3000, 4)))
    lam /= lam.sum(1, keepdims=True)
    made = np.zeros((3000, *similar.shape[1:]), np.float32)
    for j in range(4):
        made += lam[:, j, None, None, None].astype(np.float32) * similar[rng.integers(0, len(similar), 3000)]
    f = _odd_features(made)
    spread = np.cov(f.T) + 1e-2 * np.diag(f.var(0) + 1e-12)
    score = _odd_features(u[:6000]) @ np.linalg.solve(spread, f.mean(0))
    effective = max(4.0, len(score) / 20)  # mixtures share images: about 20 hang together
    return float(score.mean()), float(score.std() / np.sqrt(effective)) + 1e-12
