"""From what an attack answered to a finding without any score, for lack of a truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from ihaudit.audit.plan import Item
from ihaudit.audit.worker import AttackRun
from ihaudit.challenge.answer import Answer, judge
from ihaudit.challenge.options import NO_TRUTH
from ihaudit.challenge.release import ReadRelease
from ihaudit.results import Finding
from ihaudit.stats import Estimate

#: Candidates kept in arrays.npz for the report, the most confident ones and the rest evenly.
SHOWN = 200


def challenge_finding(item: Item, run: AttackRun, read: ReadRelease) -> tuple[Finding, Answer | None]:
    """What an attack answered, without any score: status ``measured``, or ``broken`` for a secret recovered."""
    if run.not_applicable:
        reason = run.not_applicable
        return item.finding(status="not run", reason=reason, sentence=f"Not run: {reason}.", cost=run.cost), None
    if run.output is None:
        trace = {"trace": run.trace} if run.trace else {}
        reason = f"the attack failed: {run.failure}"
        return item.finding(status="inconclusive", reason=reason, cost=run.cost, details=trace), None
    output = run.output
    answer = judge(output, read)
    details: dict[str, Any] = {**output.diagnostics, "saw": output.sentence}
    if output.broke is not None:
        details["broke"] = bool(output.broke)
    finding = item.finding(
        status="measured" if output.broke is None else "broken" if output.broke else "no break found",
        sentence=output.sentence,
        cost=run.cost,
        stages=output.stages,
        details=details,
    )
    if answer is None:
        finding.reason = "it does not say which images are in which encoding, so it cannot fill decryption.npy"
        return finding, None
    finding.reason = NO_TRUTH
    r = len(output.images)
    finding.details["images"] = r
    finding.details["confidence_is"] = (
        "estimated SSIM" if answer.estimated else "agreement with the release (a ranking only)"
    )
    finding.details["encodings_without_image"] = int((answer.pick < 0).sum())
    if answer.estimated:
        finding.metrics["confidence"] = Estimate(float(answer.confidence.mean()), n=r)
    if answer.overall is not None:
        finding.metrics["agreement"] = Estimate(answer.overall, n=len(answer.members))
    finding.arrays = _arrays(answer, read)
    return finding, answer


def _arrays(answer: Answer, read: ReadRelease) -> dict[str, np.ndarray]:
    """For the report: candidates by confidence with an encoding of each, and confidence and agreement of all."""
    order = np.argsort(-answer.confidence, kind="stable")
    shown = order[np.unique(np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int))]
    weight = np.where(answer.members >= 0, answer.coefficients, -1.0)
    example = np.full(len(shown), -1)
    for k, j in enumerate(shown):
        rows, slots = np.nonzero(answer.members == j)
        if len(rows):
            example[k] = rows[weight[rows, slots].argmax()]
    codes = np.asarray(read.release.encodings[np.maximum(example, 0)], np.float32)
    return {
        "candidates": np.asarray(answer.output.images[shown], np.float32),
        "candidate_index": shown.astype(np.int64),
        "candidate_encoding": codes,
        "candidate_example": example.astype(np.int64),
        "confidence": answer.confidence,
        "agreement": answer.agreement,
    }
