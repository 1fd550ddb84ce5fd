"""Which candidate stands for which private image.

Matching is selection by the truth, so it is kept from inflating scores:

* one candidate serves at most one private image;
* of more candidates than private images only as many are looked at as there are private images, those that the attack
  itself ranks highest (`ranking`), unless provenance picks them without looking at pixels;
* scoring runs the same matcher on decoys, images that the attack cannot know; what it reaches there is chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from ihaudit.metrics.ssim import pairwise_ssim, ssim_of_pairs
from ihaudit.metrics.threads import one_thread

#: Up to this many pairs are compared by SSIM; above it, only a shortlist of each candidate's nearest by correlation.
MAX_PAIRS = 250_000
SHORTLIST = 48


def ranking(
    count: int,
    members: NDArray[Any] | None = None,
    coefficients: NDArray[Any] | None = None,
    confidence: NDArray[Any] | None = None,
) -> NDArray[np.int64]:
    """Candidates from best to worst in the attack's own eyes: by confidence, then weight of members, then order.

    Args:
        count: R, the number of candidates.
        members: int (E, s) candidates of each encoding, -1 for none, or None.
        coefficients: float (E, s) or None (then every member weighs 1).
        confidence: float (R,) or None.

    Returns:
        int64 (R,), a permutation.
    """
    support: NDArray[np.float64] = np.zeros(count)
    if members is not None and members.size:
        weights = np.ones(members.shape) if coefficients is None else np.abs(coefficients)
        valid = (members >= 0) & (members < count)
        support = np.bincount(members[valid], weights=weights[valid], minlength=count).astype(np.float64)
    # Rounded, so that ties broken by order do not hang on the last digits of a sum.
    keys: list[NDArray[Any]] = [np.arange(count), -np.round(support, 6)]
    if confidence is not None:
        keys.append(-np.round(np.nan_to_num(np.asarray(confidence, np.float64), nan=-np.inf), 6))
    return np.lexsort(keys).astype(np.int64)


def similarity(a: NDArray[Any], b: NDArray[Any], *, device: str = "cpu") -> NDArray[np.float32]:
    """Pinned SSIM of every pair, float32 (R, N); exact up to `MAX_PAIRS` pairs.

    Above that, each candidate is compared with its `SHORTLIST` nearest by high-pass correlation only (one matrix
    product); other pairs get that correlation minus 2, which ranks them behind every pair that was compared.
    """
    if len(a) * len(b) <= MAX_PAIRS:
        return pairwise_ssim(a, b, device=device)
    proxy = correlation(a, b)
    near = np.argpartition(-proxy, SHORTLIST - 1, axis=1)[:, :SHORTLIST]
    rows, columns = np.repeat(np.arange(len(a)), SHORTLIST), near.ravel()
    out = (proxy - 2).astype(np.float32)
    out[rows, columns] = ssim_of_pairs(a, b, rows, columns, device=device)
    return out


@one_thread()
def correlation(
    a: NDArray[Any], b: NDArray[Any], *, shift: int = 0, passed: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Normalised cross-correlation of high-passed images, the maximum over shifts by up to `shift` pixels.

    High-passing (the image minus its Gaussian blur of sigma 3) removes overall colour and brightness, in which
    unrelated photographs agree.  The sign is kept: a negative of the image counts as wrong.

    Args:
        a: (R, H, W, C).
        b: (N, H, W, C).
        shift: in pixels; shifts are cyclic, which matters at the border only.
        passed: `highpass` of `b`, where it is compared often.

    Returns:
        float32 (R, N) in [-1, 1]; 0 where one of the two is constant.
    """
    x, y = highpass(a), highpass(b) if passed is None else passed
    flat = y.reshape(len(y), -1).T
    best = np.full((len(x), len(y)), -1.0, np.float32)
    for dy in range(-shift, shift + 1):
        for dx in range(-shift, shift + 1):
            moved = np.roll(x, (dy, dx), axis=(1, 2)).reshape(len(x), -1)
            np.maximum(best, moved @ flat, out=best)
    return best


def highpass(x: NDArray[Any]) -> NDArray[np.float32]:
    """Images (n, H, W, C) less their blur, each of norm 1; 0 where it is constant."""
    v = np.asarray(x, np.float32)
    if np.asarray(x).dtype == np.uint8:
        v = v / np.float32(255)
    v = v - gaussian_filter(v, sigma=(0, 3, 3, 0), mode="nearest")
    norm = np.sqrt(np.einsum("nhwc,nhwc->n", v, v))
    # Below 1e-3 in total the image is constant up to rounding.
    scale = np.where(norm > 1e-3, 1 / np.maximum(norm, 1e-3), 0).astype(np.float32)
    return np.asarray(v * scale[:, None, None, None], np.float32)


def assign(scores: NDArray[Any]) -> NDArray[np.int64]:
    """Optimal one-to-one assignment of candidates to images: int64 (N,) candidate of each image, -1 for none.

    Args:
        scores: (R, N), higher is better.
    """
    out = np.full(scores.shape[1], -1, np.int64)
    rows, columns = linear_sum_assignment(scores, maximize=True)
    out[columns] = rows
    return out


def twins(images: NDArray[Any], *, same: float = 0.98) -> NDArray[np.int64]:
    """Which images are copies of one another, or nearly (high-pass correlation above `same`): int64 (N,) group numbers.

    Args:
        images: (N, H, W, C) in [0, 1].
    """
    x = highpass(images).reshape(len(images), -1)
    near = csr_matrix(x @ x.T > same)
    return np.asarray(connected_components(near, directed=False)[1], np.int64)


def credited(chosen: NDArray[np.int64], scores: NDArray[Any], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """An assignment in which an image may also be shown by the candidate of one of its `twins`, where that fits better.

    Copies of one picture are recovered together: an attack that answers it once has shown them all.

    Args:
        chosen: int64 (N,) candidates, -1 for none.
        scores: (R, N), higher is better.
        group: int64 (N,).
    """
    out = chosen.copy()
    for members in (np.flatnonzero(group == g) for g in np.flatnonzero(np.bincount(group) > 1)):
        there = np.unique(chosen[members][chosen[members] >= 0])
        if not len(there):
            continue
        best = there[scores[np.ix_(there, members)].argmax(0)]
        now = np.where(chosen[members] >= 0, scores[np.maximum(chosen[members], 0), members], -np.inf)
        out[members] = np.where(scores[best, members] > now, best, chosen[members])
    return out


def votes(
    n_images: int,
    n_candidates: int,
    members: NDArray[Any],
    coefficients: NDArray[Any] | None,
    sources: NDArray[Any],
    true_coefficients: NDArray[Any] | None,
) -> NDArray[np.float64]:
    """How much of each candidate's evidence really came from each private image: float64 (R, N).

    For every encoding, each candidate that the attack sees in it gets votes for each private image that is in it,
    weighted by both coefficients, so that the attack's dominant member votes for the true dominant image.

    Args:
        n_images: N.
        n_candidates: R.
        members: int (E, s) with -1 for none; coefficients: float (E, s) or None.
        sources: int (E, s') with -1 for none; true_coefficients: float (E, s') or None.
    """
    out = np.zeros((n_candidates, n_images))
    for i in range(members.shape[1]):
        for j in range(sources.shape[1]):
            r, n = members[:, i], sources[:, j]
            keep = (r >= 0) & (r < n_candidates) & (n >= 0)
            weight = np.ones(len(r))
            if coefficients is not None:
                weight = weight * np.abs(coefficients[:, i])
            if true_coefficients is not None:
                weight = weight * np.abs(true_coefficients[:, j])
            np.add.at(out, (r[keep], n[keep]), np.nan_to_num(weight[keep]))
    return out


def by_provenance(evidence: NDArray[Any], rank: NDArray[Any]) -> NDArray[np.int64]:
    """One-to-one assignment by votes alone, without looking at a pixel: int64 (N,), -1 where no candidate has a vote.

    Equal votes are decided by the attack's own ranking, never by which candidate looks better.

    Args:
        evidence: (R, N) from `votes`.
        rank: int (R,) candidates from best to worst in the attack's eyes.
    """
    place = np.empty(len(rank))
    place[rank] = np.arange(len(rank))
    # The whole ranking is worth less than a thousandth of one vote of average weight.
    unit = evidence[evidence > 0].mean() if (evidence > 0).any() else 1.0
    bonus = 1e-3 * unit * (1 - place / max(1, len(rank)))
    out = assign(np.where(evidence > 0, evidence + bonus[:, None], 0.0))
    chosen = out >= 0
    out[chosen] = np.where(evidence[out[chosen], np.flatnonzero(chosen)] > 0, out[chosen], -1)
    return out


@one_thread()
def shortlist(images: NDArray[Any], rank: NDArray[Any], limit: int, *, same: float = 0.95) -> NDArray[np.int64]:
    """At most `limit` distinct candidates, best first in the attack's eyes, chosen without the truth.

    Near-copies of a better-ranked candidate (high-pass correlation above `same`) are passed over while others are left,
    so that an attack that answers once per encoding is not scored on copies of one image; where distinct ones run
    out, copies fill the places.

    Args:
        images: (R, H, W, C); rank: int (R,); limit: N.

    Returns:
        int64 (min(R, limit),) indices into `images`.
    """
    if len(images) <= limit:
        return np.asarray(rank, np.int64)
    # Looking at every candidate would cost R x N products for a hopeless R; 20 N are plenty to fill N places.
    pool = np.asarray(rank, np.int64)[: 20 * limit]
    x = highpass(images[pool]).reshape(len(pool), -1)
    free = np.ones(len(pool), bool)
    kept: list[int] = []
    for i in range(len(pool)):
        if len(kept) == limit:
            break
        if not free[i]:
            continue
        kept.append(i)
        free[i + 1 :] &= x[i + 1 :] @ x[i] < same
    rest = np.setdiff1d(np.arange(len(pool)), kept)[: limit - len(kept)]
    return np.asarray(pool[np.concatenate([np.asarray(kept, np.int64), rest])], np.int64)
