"""Who is who: an attack that holds candidate images says which of them each row is made of.

A private image is *re-identified* where the surest row that was given to it is made of it (alone, or among others where
rows mix several: then the row holds it).  One row for each image counts, so that naming an image for every row gains
nothing; a candidate that was not encoded takes the row that it is given away from everybody.

Chance is what the same answer reaches when the rows of private images of one class change places among them.  It is
exact for attacks that know no more of a row than the class of its image, which schemes release in the open; and for
attacks that tell private images from the others by their looks, without a row.  Where classes are so fine that they
name their images, or nearly (so that not even an answer that is right throughout would be above chance), and no labels
are released, the class is the very thing that nobody should learn: the rows of all images change places.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.attack import AttackOutput
from ihaudit.metrics.intervals import rate_estimate
from ihaudit.release import FloatArray, IntArray, Release, Truth
from ihaudit.stats import Estimate

#: Mean over images of one in so many of its class, above which a class says which image it is.
NAMING = 0.9
#: How far above that mean the interval of an answer that is right throughout must lie, for classes to be chance.
TOLD = 0.1


@dataclass(frozen=True, eq=False)
class Candidates:
    """Images that hold the private ones among others.

    Attributes:
        images: float32 (M, H, W, C) in [0, 1].
        labels: int64 (M,).
        image: int64 (M,), the private image that each is, -1 for those that were not encoded: for the scorer alone.
    """

    images: FloatArray
    labels: IntArray
    image: IntArray


@dataclass(frozen=True, eq=False)
class ScoredMatches:
    """`metrics` reid, reid_above_chance and reid_chance; `arrays` reid bool (N,) and row int64 (N,), -1 for none."""

    metrics: dict[str, Estimate]
    arrays: dict[str, NDArray[Any]]
    details: dict[str, Any] = field(default_factory=dict)


def score_matches(output: AttackOutput, candidates: Candidates, truth: Truth, release: Release) -> ScoredMatches:
    """Score an assignment of rows to candidates.

    Args:
        output: with `matches`, and `match_scores` where the attack gives them.
        candidates: what the attack chose from.
        truth: private images, their classes and provenance.
        release: what was released.

    Raises:
        ValueError: an answer of another length than the release, or one that names no candidate.
    """
    rows, n = len(release.encodings), len(truth.images)
    matches = np.asarray(output.matches, np.int64)
    if matches.shape != (rows,):
        raise ValueError(f"the attack matched {matches.shape} rows; the release has {rows}")
    if rows and not -1 <= matches.min() <= matches.max() < len(candidates.image):
        raise ValueError(f"a match is none of the {len(candidates.image)} candidates")
    scores = np.zeros(rows) if output.match_scores is None else np.asarray(output.match_scores, np.float64)
    row = surest_rows(np.where(matches >= 0, candidates.image[matches], -1), scores, n)
    same = truth.labels[:, None] == truth.labels[None]
    by_class = float((1 / same.sum(0)).mean()) if n else 0.0
    telling = by_class > NAMING or by_class + TOLD > (rate_estimate(n, n).low or 0.0)
    secret = release.labels is None and n > 0 and telling
    if secret:
        same = np.ones_like(same)
    best: tuple[NDArray[np.bool_], float] | None = None
    for sources in _sources(truth, rows):
        held = np.zeros((n, n), bool)  # private image i's row holds private image j
        given = np.flatnonzero(row >= 0)
        for column in sources[row[given]].T:
            held[given[column >= 0], column[column >= 0]] = True
        hits = held[np.arange(n), np.arange(n)]
        chance = float(((held & same).sum(0) / same.sum(0)).mean()) if n else 0.0
        if best is None or hits.mean() - chance > best[0].mean() - best[1]:
            best = hits, chance
    if best is None:
        raise ValueError("which image a row is made of is not known, so that matches cannot be judged")
    hits, chance = best
    rate = rate_estimate(int(hits.sum()), n)
    value, low, high = (None if x is None else x - chance for x in (rate.value, rate.low, rate.high))
    metrics = {
        "reid": rate,
        "reid_above_chance": Estimate(value, low, high, n),
        "reid_chance": Estimate(chance, n=n),
    }
    details = {
        "candidates": len(candidates.image),
        "private": n,
        "matched": int((row >= 0).sum()),
        "chance": "rows of all images change places" if secret else "rows of images of one class change places",
    }
    return ScoredMatches(metrics, {"reid": hits, "row": row}, details)


def surest_rows(image: IntArray, scores: NDArray[Any], n: int) -> NDArray[np.int64]:
    """int64 (n,): of the rows that are given to each image, int (E,) with -1 for none, the one of the highest score."""
    out = np.full(n, -1, np.int64)
    order = np.argsort(np.nan_to_num(scores, nan=-np.inf), kind="stable")
    order = order[image[order] >= 0]
    out[image[order]] = order  # the last one written is the surest
    return out


def _sources(truth: Truth, rows: int) -> list[NDArray[np.int64]]:
    """Which images each row is made of, int64 (E, s): as stated, or by place in the one or two ways that there are."""
    n = len(truth.images)
    if truth.provenance is not None:
        stated = np.asarray(truth.provenance.sources).reshape(rows, -1)
        if (stated >= 0).any():  # "made of no image" is a claim; place decides then
            return [stated.astype(np.int64)]
    if not n or rows % n:
        return []
    place = np.arange(rows)
    ways = [place % n] if rows == n else [place % n, place // (rows // n)]
    return [w[:, None] for w in ways]
