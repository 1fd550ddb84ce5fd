"""Re-identification: of all private images and as many decoys, does a reconstruction look most like the right one?

The measure of likeness is declared beforehand and the same everywhere: the mean of pinned SSIM and of the high-pass
correlation over shifts by up to two pixels (`likeness`).  The first sees overall appearance, the second structure even
where an attack returns its image a little displaced.

What "by chance" means depends on how reconstructions were paired with private images:

* By provenance, no pixel was looked at, and a reconstruction without information picks its own image with probability
  1 / (N + D), the number of private images and decoys; equal ones count once, as either is right for the other.
  One candidate beside several equal images is one trial.
* By assignment, pairing looks for likeness, and the paired image would look alike even if candidates were noise.  So
  pairing and identification use different pixels: candidates are assigned to private images by their left halves and
  identified by their right halves, and the other way round; both have to name the image.  Candidates that are noise
  have independent halves; those that are pictures of something else do not, so the same is done with the decoys in the
  place of the private images, and how often that names a decoy is chance.  Decoys and private images are exchangeable
  for an attack that recovers nothing.  Without decoys chance is taken to be 1 / N (equal images
  count once), as for independent halves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.metric import Metric, named
from ihaudit.metrics.intervals import rate_difference, rate_estimate
from ihaudit.metrics.matching import assign, correlation, similarity
from ihaudit.stats import Estimate

named(Metric("reid", "Re-identified", "%", "the right image is the nearest one", floor=0.0, ceiling=1.0, order=40))
named(Metric("reid_above_chance", "Re-identified, above chance", "pp", floor=-1.0, ceiling=1.0, gated=True, order=41))
named(Metric("reid_chance", "Re-identified by guessing", "%", floor=0.0, ceiling=1.0, order=42))

SHIFT = 2
#: Nearer than this to another image's likeness counts as a tie, and a tie is no identification.
MARGIN = 1e-6


@dataclass(frozen=True, eq=False)
class Reidentification:
    """`rate` with its exact interval; `chance`; `above` = rate - chance; `hits` bool (N,) per private image.

    `null` bool (D,): decoys named by the same candidates, empty where pairing looked at no pixel.
    """

    rate: Estimate
    chance: float | None
    above: Estimate
    hits: NDArray[np.bool_]
    null: NDArray[np.bool_]

    def beside(self, other: Reidentification) -> Reidentification:
        """With the chance level of `other`, the same candidates in the way that suits decoys, where it is higher."""
        if not len(self.null) or other.null.sum() <= self.null.sum():
            return self
        n, d = len(self.hits), len(self.null)
        above = rate_difference(int(self.hits.sum()), n, int(other.null.sum()), d)
        return Reidentification(self.rate, float(other.null.mean()), above, self.hits, other.null)


def likeness(
    a: NDArray[Any], b: NDArray[Any], *, ssim: NDArray[Any] | None = None, device: str = "cpu"
) -> NDArray[np.float32]:
    """The declared measure of images (R, H, W, C) and (M, H, W, C) in [0, 1], at most 1.

    Args:
        a, b: the images.
        ssim: float (R, M) their `similarity`, where it is known already.
        device: torch device.

    Returns:
        float32 (R, M).
    """
    overall = similarity(a, b, device=device) if ssim is None else ssim
    return ((overall + correlation(a, b, shift=SHIFT)) / 2).astype(np.float32)


def reidentify(
    candidates: NDArray[Any],
    chosen: NDArray[Any],
    private: NDArray[Any],
    decoys: NDArray[Any] | None,
    *,
    by_provenance: bool,
    ssim: NDArray[Any] | None = None,
    alike: NDArray[Any] | None = None,
    device: str = "cpu",
) -> Reidentification:
    """Top-1 re-identification of private images.

    Args:
        candidates: (R, H, W, C) in [0, 1].
        chosen: int (N,) the candidate that stands for each private image, -1 for none (counted as a miss).
        private: (N, H, W, C).
        decoys: (D, H, W, C), images like the private ones that the attack cannot have seen, or None.
        by_provenance: whether `chosen` was made without looking at pixels.
        ssim: float (R, N + D) `similarity` of candidates to private images and decoys, where it is known already.
        alike: float (R, N + D) `likeness` of them, where each pair is compared in a pose of its own; pairs that pixels
            chose are then judged whole, decoys as well.
        device: torch device.

    Returns:
        `Reidentification`.
    """
    n, d = len(private), 0 if decoys is None else len(decoys)
    misses = np.zeros(n, bool)
    if n == 0:
        return Reidentification(Estimate(None), None, Estimate(None), misses, misses)
    pool = private if decoys is None or d == 0 else np.concatenate([private, decoys])
    hits, null, trials = misses, np.zeros(d, bool), np.arange(n)
    if by_provenance and len(candidates):
        scores = likeness(candidates, pool, ssim=ssim, device=device) if alike is None else alike
        own = _is_top(scores[np.maximum(chosen, 0)], np.arange(n), _copies(pool))
        hits = (chosen >= 0) & own
        # One candidate beside several copies of one picture is one trial.
        trials = np.unique(
            np.stack([np.where(chosen < 0, -1 - np.arange(n), chosen), _copies(private)]), axis=1, return_index=True
        )[1]
    elif len(candidates) and alike is not None:
        paired = np.concatenate([assign(alike[:, :n]), assign(alike[:, n:])])
        named = (paired >= 0) & _is_top(alike[np.maximum(paired, 0)], np.arange(len(pool)), _copies(pool))
        hits, null = named[:n], named[n:]
    elif len(candidates):
        named = _by_halves(candidates, pool, n, device)
        hits, null = named[:n], named[n:]
    rate = rate_estimate(int(hits[trials].sum()), len(trials))
    if d and not by_provenance:
        above = rate_difference(int(hits.sum()), n, int(null.sum()), d)
        return Reidentification(rate, float(null.mean()), above, hits, null)
    chance = 1 / len(np.unique(_copies(pool)))
    value, low, high = (None if x is None else x - chance for x in (rate.value, rate.low, rate.high))
    return Reidentification(rate, chance, Estimate(value, low, high, len(trials)), hits, np.zeros(0, bool))


def _by_halves(candidates: NDArray[Any], pool: NDArray[Any], n: int, device: str) -> NDArray[np.bool_]:
    """bool (N + D,): named by the right halves of the candidate its left half was assigned to, and the reverse."""
    middle = pool.shape[2] // 2
    halves: list[tuple[slice, ...]] = [np.s_[:, :, :middle], np.s_[:, :, pool.shape[2] - middle :]]
    if middle < 3:
        # Too narrow to split into columns; rows then (an image of under 6x6 pixels has no structure to tell).
        middle = pool.shape[1] // 2
        halves = [np.s_[:, :middle], np.s_[:, pool.shape[1] - middle :]]
    left, right = (likeness(candidates[h], pool[h], device=device) for h in halves)
    named = np.ones(len(pool), bool)
    for pairing, naming, half in ((left, right, halves[1]), (right, left, halves[0])):
        chosen = np.concatenate([assign(pairing[:, :n]), assign(pairing[:, n:])])
        top = _is_top(naming[np.maximum(chosen, 0)], np.arange(len(pool)), _copies(pool[half]))
        named &= (chosen >= 0) & top
    return named


def _copies(pool: NDArray[Any]) -> NDArray[np.int64]:
    """int (M,): equal numbers for pixel-identical images."""
    flat = np.ascontiguousarray(pool.reshape(len(pool), -1))
    return np.unique(flat, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _is_top(scores: NDArray[Any], target: NDArray[Any], copies: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each row's target beats every image that is not a copy of it."""
    own = scores[np.arange(len(scores)), target]
    others = np.where(copies[None] == copies[target][:, None], -np.inf, scores)
    return np.asarray(own > others.max(axis=1) + MARGIN, bool)
