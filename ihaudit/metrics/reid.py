"""Re-identification: of all private images and as many decoys, is the one a reconstruction looks most like the right one?

The measure of likeness is declared beforehand and the same everywhere: the mean of pinned SSIM and of the high-pass
correlation over shifts by up to two pixels (`likeness`).  The first sees overall appearance, the second structure even
where an attack returns its image a little displaced.

What "by chance" means depends on how reconstructions were paired with private images:

* by provenance, no pixel was looked at, and a reconstruction without information picks its own image with probability
  1 / (N + D), the number of private images and decoys;
* by assignment, the pairing itself looked for likeness.  Then image and candidate must be each other's nearest, among
  all candidates and among all private images and decoys; decoys are counted in the same way, and chance is the rate
  at which they are hit.  Where candidates carry no information both rates have the same expectation, because decoys
  and private images are exchangeable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.metrics.intervals import rate_difference, rate_estimate
from ihaudit.metrics.matching import correlation, similarity
from ihaudit.stats import Estimate

SHIFT = 2
#: Nearer than this to another image's likeness counts as a tie, and a tie is no identification.
MARGIN = 1e-6


@dataclass(frozen=True, eq=False)
class Reidentification:
    """`rate` with its exact interval; `chance`; `above` = rate - chance; `hits` bool (N,) per private image."""

    rate: Estimate
    chance: float | None
    above: Estimate
    hits: NDArray[np.bool_]


def likeness(a: NDArray, b: NDArray, *, device: str = "cpu") -> NDArray[np.float32]:
    """The declared measure, float32 (R, M), of images (R, H, W, C) and (M, H, W, C) in [0, 1]; at most 1."""
    return (similarity(a, b, device=device) + correlation(a, b, shift=SHIFT)) / 2


def reidentify(
    candidates: NDArray,
    chosen: NDArray,
    private: NDArray,
    decoys: NDArray | None,
    *,
    by_provenance: bool,
    device: str = "cpu",
) -> Reidentification:
    """Top-1 re-identification of private images.

    Args:
        candidates: (R, H, W, C) in [0, 1].
        chosen: int (N,) the candidate that stands for each private image, -1 for none (counted as a miss).
        private: (N, H, W, C).
        decoys: (D, H, W, C), images like the private ones that the attack cannot have seen, or None.
        by_provenance: whether `chosen` was made without looking at pixels.
        device: torch device.

    Returns:
        `Reidentification`.  Without decoys and by assignment there is no honest chance level: all None.
    """
    n, d = len(private), 0 if decoys is None else len(decoys)
    none = Reidentification(Estimate(None), None, Estimate(None), np.zeros(n, bool))
    if n == 0 or (d == 0 and not by_provenance):
        return none
    if len(candidates) == 0:
        hits = null = np.zeros(n, bool)
    else:
        pool = private if decoys is None or d == 0 else np.concatenate([private, decoys])
        scores = likeness(candidates, pool, device=device)
        # Pictures that occur twice must not tie with themselves: copies of an image count as that image.
        copies = _copies(pool)
        if by_provenance:
            rows = np.maximum(chosen, 0)
            hits = (chosen >= 0) & _is_top(scores[rows], np.arange(n), copies)
            null = np.zeros(0, bool)
        else:
            mutual = _mutual(scores, copies)
            hits, null = mutual[:n], mutual[n:]
    rate = rate_estimate(int(hits.sum()), n)
    if by_provenance:
        chance = 1 / (n + d)
        above = Estimate(*(None if x is None else x - chance for x in (rate.value, rate.low, rate.high)), n=n)
    else:
        missed = null if len(null) else np.zeros(d, bool)
        chance = float(missed.mean())
        above = rate_difference(int(hits.sum()), n, int(missed.sum()), d)
    return Reidentification(rate, chance, above, hits)


def _copies(pool: NDArray) -> NDArray[np.int64]:
    """int (M,): equal numbers for pixel-identical images."""
    flat = np.ascontiguousarray(pool.reshape(len(pool), -1))
    return np.unique(flat, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _is_top(scores: NDArray, target: NDArray, copies: NDArray) -> NDArray[np.bool_]:
    """Whether each row's target beats every image that is not a copy of it."""
    own = scores[np.arange(len(scores)), target]
    others = np.where(copies[None] == copies[target][:, None], -np.inf, scores)
    return own > others.max(axis=1) + MARGIN


def _mutual(scores: NDArray, copies: NDArray) -> NDArray[np.bool_]:
    """For each image (column) whether its nearest candidate has it, in turn, as its nearest image."""
    nearest = scores.argmax(axis=0)
    return _is_top(scores[nearest], np.arange(scores.shape[1]), copies)
