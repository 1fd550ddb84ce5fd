"""Scores of single encodings: the challenge's metrics, undone masks, and an encoding of each image for the gallery."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.attack import AttackOutput
from ihaudit.metrics.challenge import challenge_scores
from ihaudit.metrics.unmasked import unmasked_scores
from ihaudit.release import Release, Truth
from ihaudit.scoring.answers import answers
from ihaudit.stats import Estimate

#: Encodings on which undone masks are scored at most: the first ones, in release order.
MAX_UNMASKED = 2000


def encoding_scores(
    output: AttackOutput, images: NDArray[Any], truth: Truth, *, seed: int, device: str
) -> dict[str, Estimate]:
    """`challenge_scores` of an attack's own choice of image for each encoding (needs members and provenance)."""
    assert truth.provenance is not None
    answer = answers(output)
    finite = np.isfinite(images).all(axis=(1, 2, 3))
    there = (answer >= 0) & (answer < len(images))
    good = there & finite[np.clip(answer, 0, len(images) - 1)] if len(images) else np.zeros(len(answer), bool)
    return challenge_scores(
        np.where(finite[:, None, None, None], images, 0.5),
        np.where(good, answer, -1),
        np.asarray(truth.images, np.float32),
        np.asarray(truth.provenance.sources),
        seed=seed,
        device=device,
    )


def mask_scores(
    unmasked: NDArray[Any], release: Release, truth: Truth, *, seed: int, device: str
) -> dict[str, Estimate]:
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


def sample_encodings(truth: Truth, members: NDArray[Any] | None, chosen: NDArray[Any]) -> NDArray[np.int64]:
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
