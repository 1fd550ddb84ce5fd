"""The part of scoring that looks at single encodings: the challenge's metrics, stage quality, undone masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.stats import rankdata

from ihaudit.contracts.attack import AttackOutput, StageEvidence
from ihaudit.metrics.challenge import challenge_scores
from ihaudit.metrics.unmasked import unmasked_scores
from ihaudit.release import Provenance, Release, Truth
from ihaudit.stats import Estimate

#: Encodings on which undone masks are scored at most: the first ones, in release order.
MAX_UNMASKED = 2000


def answers(output: AttackOutput) -> NDArray[np.int64]:
    """The candidate an attack answers for each encoding: int64 (E,), -1 for none; see `choose`."""
    assert output.members is not None
    return choose(np.asarray(output.members), output.coefficients, output.confidence, output.images)


def choose(
    members: NDArray[np.integer], coefficients: NDArray | None, confidence: NDArray | None, images: NDArray
) -> NDArray[np.int64]:
    """Which of its members answers for each encoding, without the truth.

    The one with the largest coefficient, which is the surest member (96 % right on the reference benchmark, against
    72 % of the others); where quality is estimated, the one that can be expected to score best: its confidence, less
    what the challenge's SSIM takes off for small errors of the mean where the image is near mid-grey, unless its
    coefficient is small (members are right nineteen times in twenty from lambda = 0.06 on).

    Args:
        members: int (E, s), -1 for none; coefficients: (E, s) or None; confidence: (R,) or None.
        images: (R, H, W, C) in [0, 1].

    Returns:
        int64 (E,), -1 where there is no member.
    """
    there = members >= 0
    if coefficients is None:
        c = np.broadcast_to(1.0 - 1e-3 * np.arange(members.shape[1]), members.shape)
    else:
        c = np.nan_to_num(np.abs(np.asarray(coefficients, np.float64)))
    if confidence is None or not len(images):
        worth = c
    else:
        quality = np.clip(np.nan_to_num(np.asarray(confidence, np.float64), nan=0.0), 0.01, 1) * _steadiness(images)
        worth = (1 - np.exp(-30 * c)) * quality[np.clip(members, 0, len(quality) - 1)]
    best = np.where(there, worth, -np.inf).argmax(axis=1)
    return members[np.arange(len(members)), best].astype(np.int64)


def _steadiness(images: NDArray, *, error: float = 0.05, window: int = 7) -> NDArray[np.float64]:
    """float64 (R,) in [0, 1]: the luminance term of SSIM on [-1, 1] when local means are off by `error`."""
    x = np.nan_to_num(np.asarray(images, np.float64)) * 2 - 1
    mean = uniform_filter(x, size=(1, window, window, 1)) if min(x.shape[1:3]) >= window else x
    c1 = (0.01 * 2) ** 2
    return ((2 * mean**2 + c1) / (2 * mean**2 + error**2 + c1)).mean(axis=(1, 2, 3))


def encoding_scores(
    output: AttackOutput, images: NDArray, truth: Truth, *, seed: int, device: str
) -> dict[str, Estimate]:
    """`challenge_scores` of an attack's own choice of image for each encoding (needs members and provenance)."""
    assert truth.provenance is not None
    answer = answers(output)
    finite = np.isfinite(images).all(axis=(1, 2, 3))
    inside = (answer >= 0) & (answer < len(images))
    good = inside & finite[np.clip(answer, 0, len(images) - 1)] if len(images) else np.zeros(len(answer), bool)
    private = np.asarray(truth.images, np.float32)
    return challenge_scores(
        np.where(finite[:, None, None, None], images, 0.5),
        np.where(good, answer, -1),
        private,
        np.asarray(truth.provenance.sources),
        seed=seed,
        device=device,
    )


def stage_quality(
    output: AttackOutput, provenance: Provenance, image_of: NDArray
) -> dict[str, dict[str, float | None]]:
    """How good the stages were that the truth can judge.

    Args:
        output: with members, and coefficients where the attack estimates them.
        provenance: of the release.
        image_of: int (R,) the private image that each candidate stands for, -1 for none.

    Returns:
        ``assignment``: assignment_accuracy (share of true memberships found), encodings_exact (share of encodings
        whose private images were found exactly), purity (share of a candidate's encodings that hold its image, mean);
        ``coefficients``: lambda_error (mean absolute error of lambda over the memberships found) or None.
    """
    assert output.members is not None
    members, sources = np.asarray(output.members), np.asarray(provenance.sources)
    inside = (members >= 0) & (members < len(image_of))
    said = (
        np.where(inside, image_of[np.clip(members, 0, max(0, len(image_of) - 1))], -1)
        if len(image_of)
        else members * 0 - 1
    )
    hit = (sources[:, :, None] == said[:, None, :]) & (sources >= 0)[:, :, None]  # (E, true, said)
    held = sources >= 0
    found = hit.any(axis=2)
    # A member that maps to no private image is as wrong as one that maps to another.
    exact = (found == held).all(axis=1) & (hit.any(axis=1) == inside).all(axis=1) & held.any(axis=1)
    right = hit.any(axis=1)
    quality: dict[str, dict[str, float | None]] = {
        "assignment": {
            "assignment_accuracy": float(found.sum() / max(1, held.sum())),
            "encodings_exact": float(exact.sum() / max(1, held.any(axis=1).sum())),
            "purity": float(right.sum() / max(1, inside.sum())),
        }
    }
    error = None
    if output.coefficients is not None and provenance.coefficients is not None:
        e, t, m = np.nonzero(hit)
        if len(e):
            stated = _totals(sources, np.asarray(provenance.coefficients))[e, t]
            error = float(np.nanmean(np.abs(_totals(said, np.asarray(output.coefficients))[e, m] - stated)))
    quality["coefficients"] = {"lambda_error": error}
    return quality


def evidence_quality(evidence: StageEvidence, provenance: Provenance) -> dict[str, dict[str, float | None]]:
    """How good similarity and grouping were, by provenance.

    Returns:
        ``similarity``: pair_auc (chance that a pair that shares a private image has larger log odds than one that does
        not, ties half), pair_accuracy (mean of the shares of both kinds that the sign of the log odds tells right: the
        accuracy on balanced pairs); ``grouping``: clique_purity (share of a set's encodings that hold the image most of
        them hold, mean over sets), images_covered (share of private images that are the commonest of some set).
        Stages without evidence, or without pairs of both kinds, are left out.
    """
    sources = np.asarray(provenance.sources)
    quality: dict[str, dict[str, float | None]] = {}
    e = evidence
    if e.first is not None and e.second is not None and e.similarity is not None and len(e.first):
        a, b = sources[e.first], sources[e.second]
        share = ((a[:, :, None] == b[:, None, :]) & (a >= 0)[:, :, None]).any((1, 2))
        score = np.nan_to_num(np.asarray(e.similarity, np.float64))
        if share.any() and not share.all():
            rank = rankdata(score)
            n1, n0 = int(share.sum()), int((~share).sum())
            auc = (rank[share].sum() - n1 * (n1 + 1) / 2) / (n1 * n0)
            accuracy = ((score[share] > 0).mean() + (score[~share] <= 0).mean()) / 2
            quality["similarity"] = {"pair_auc": float(auc), "pair_accuracy": float(accuracy)}
    if e.sets is not None and len(e.sets):
        purity, commonest = [], set()
        for members in np.asarray(e.sets):
            rows = sources[members[members >= 0]]
            if len(rows) == 0:
                continue
            # an encoding that mixes an image with itself counts once
            held = [np.unique(r[r >= 0]) for r in rows]
            values, counts = np.unique(np.concatenate(held), return_counts=True)
            if len(values):
                purity.append(counts.max() / len(rows))
                commonest.add(int(values[counts.argmax()]))
        known = np.unique(sources[sources >= 0])
        if purity:
            quality["grouping"] = {
                "clique_purity": float(np.mean(purity)),
                "images_covered": len(commonest) / max(1, len(known)),
            }
    return quality


def _totals(items: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """The weight that each slot's item has in its row in all: an image can be mixed with itself."""
    return np.einsum("eij,ej->ei", (items[:, :, None] == items[:, None, :]).astype(np.float64), weights)


def mask_scores(unmasked: NDArray, release: Release, truth: Truth, *, seed: int, device: str) -> dict[str, Estimate]:
    """`unmasked_scores` of an attack that undoes masks.

    Empty where the scheme does not state its masks, shapes do not fit, or no encoding was looked at.
    """
    p = truth.provenance
    encodings = np.asarray(release.encodings)
    if p is None or p.masks is None or encodings.ndim != 4 or np.shape(unmasked) != encodings.shape:
        return {}
    # Encodings that the attack did not look at are zeros, and say nothing of those that it did.
    part = np.flatnonzero(np.asarray(unmasked).reshape(len(unmasked), -1).any(axis=1))[:MAX_UNMASKED]
    if len(part) == 0:
        return {}
    return unmasked_scores(
        np.nan_to_num(np.asarray(unmasked[part], np.float32)),
        encodings[part] * np.asarray(p.masks)[part],
        np.asarray(p.sources)[part],
        release.image_range,
        seed=seed,
        device=device,
    )


def sample_encodings(truth: Truth, members: NDArray | None, chosen: NDArray) -> NDArray[np.int64]:
    """An encoding of each private image for the gallery: int64 (N,), -1 where none is known.

    The one in which the image has its largest coefficient, by provenance; else the first that the attack thinks holds
    the candidate standing for it.
    """
    n = len(truth.images)
    out = np.full(n, -1, np.int64)
    p = truth.provenance
    if p is not None and len(p.sources):
        sources = np.asarray(p.sources)
        weights = np.ones(sources.shape) if p.coefficients is None else np.nan_to_num(np.asarray(p.coefficients))
        order = np.argsort(weights, axis=None, kind="stable")
        e, j = np.unravel_index(order, sources.shape)
        held = sources[e, j] >= 0
        # Written in rising order of weight, so the largest stays.
        out[sources[e, j][held]] = e[held]
    elif members is not None:
        for image in np.flatnonzero(chosen >= 0):
            rows = np.flatnonzero((np.asarray(members) == chosen[image]).any(axis=1))
            out[image] = rows[0] if len(rows) else -1
    return out
