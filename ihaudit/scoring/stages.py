"""How good the stages of an attack were, where the truth can judge them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ihaudit.contracts.attack import AttackOutput, StageEvidence
from ihaudit.release import Provenance

#: Stage name -> {figure: value}.
Quality = dict[str, dict[str, float | None]]


def stage_quality(output: AttackOutput, provenance: Provenance, image_of: NDArray[Any]) -> Quality:
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
    stated = (members >= 0) & (members < len(image_of))
    predicted = np.where(stated, np.append(image_of, -1)[np.where(stated, members, -1)], -1)
    hit = (sources[:, :, None] == predicted[:, None, :]) & (sources >= 0)[:, :, None]  # (E, true, predicted)
    held = sources >= 0
    found, right = hit.any(axis=2), hit.any(axis=1)
    # A member that maps to no private image is as wrong as one that maps to another.
    exact = (found == held).all(axis=1) & (right == stated).all(axis=1) & held.any(axis=1)
    quality: Quality = {
        "assignment": {
            "assignment_accuracy": float(found.sum() / max(1, held.sum())),
            "encodings_exact": float(exact.sum() / max(1, held.any(axis=1).sum())),
            "purity": float(right.sum() / max(1, stated.sum())),
        }
    }
    error = None
    if output.coefficients is not None and provenance.coefficients is not None:
        e, t, m = np.nonzero(hit)
        if len(e):
            observed = _totals(sources, np.asarray(provenance.coefficients))[e, t]
            error = float(np.nanmean(np.abs(_totals(predicted, np.asarray(output.coefficients))[e, m] - observed)))
    quality["coefficients"] = {"lambda_error": error}
    return quality


def evidence_quality(evidence: StageEvidence, provenance: Provenance) -> Quality:
    """How good similarity and grouping were, by provenance.

    Returns:
        ``similarity``: pair_auc (chance that a pair that shares a private image has larger log odds than one that does
        not, ties half), pair_accuracy (mean of the shares of both kinds that the sign of the log odds tells right: the
        accuracy on balanced pairs); ``grouping``: clique_purity (share of a set's encodings that hold the image most of
        them hold, mean over sets), images_covered (share of private images that are the commonest of some set).
        Stages without evidence, or without pairs of both kinds, are left out.
    """
    sources = np.asarray(provenance.sources)
    quality: Quality = {}
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


def _totals(items: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """The weight that each slot's item has in its row in all: an image can be mixed with itself."""
    same = (items[:, :, None] == items[:, None, :]).astype(np.float64)
    return np.asarray(np.einsum("eij,ej->ei", same, weights), np.float64)
