"""From what an attack answered to a finding: scored where there is an answer, the reason where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.audit.plan import Item
from ihaudit.audit.worker import AttackRun
from ihaudit.contracts.context import Context
from ihaudit.release import Release, Truth
from ihaudit.results import Finding
from ihaudit.scoring.reconstructions import score_attack
from ihaudit.verdict.gates import GateOptions, attack_status

#: Rows of unmasked encodings kept for the report.
SAMPLES = 6


def attack_finding(
    item: Item,
    run: AttackRun,
    truth: Truth,
    release: Release,
    decoys: NDArray | None,
    gates: GateOptions,
    ctx: Context,
) -> Finding:
    """The finding of one attack or baseline.

    Args:
        item: what ran.
        run: what came back from the worker.
        truth: private images and provenance; only scoring reads it.
        release: what was released.
        decoys: images like the private ones that were not encoded, or None.
        gates: the bounds behind the word ``broken``.
        ctx: seed of the bootstrap, device.

    Returns:
        A finding of the item's kind: ``broken``, ``no break found``, ``inconclusive`` (it failed), ``not run`` (it does
        not apply), or ``measured`` (a baseline).
    """
    if run.not_applicable:
        reason = run.not_applicable
        return item.finding(status="not run", reason=reason, sentence=f"Not run: {reason}.", cost=run.cost)
    if run.output is None:
        trace = {"trace": run.trace} if run.trace else {}
        return item.finding(
            status="inconclusive", reason=f"the attack failed: {run.failure}", cost=run.cost, details=trace
        )
    output = run.output
    try:
        scored = score_attack(output, truth, release, decoys=decoys, context=ctx, reuse=item.kind == "baseline")
    except ValueError as e:
        return item.finding(status="inconclusive", reason=f"its answer could not be scored: {e}", cost=run.cost)
    details: dict[str, Any] = {**output.diagnostics, **scored.details}
    if output.broke is not None:
        details["broke"] = bool(output.broke)
    finding = item.finding(
        status="measured",
        metrics=scored.metrics,
        primary="ssim_q90",
        cost=run.cost,
        sentence=output.sentence,
        stages=scored.stages(output.stages),
        details=details,
        arrays=dict(scored.arrays),
    )
    if output.unmasked is not None and release.encodings.ndim == 4:
        shown = np.flatnonzero(output.unmasked.reshape(len(output.unmasked), -1).any(axis=1))[:SAMPLES]
        finding.arrays["samples_encoding"] = release.encodings[shown]
        finding.arrays["samples_unmasked"] = output.unmasked[shown]
        if truth.provenance is not None and truth.provenance.masks is not None:
            finding.arrays["samples_truth"] = release.encodings[shown] * truth.provenance.masks[shown]
    if item.kind == "attack":
        finding.details["saw"] = output.sentence
        finding.status, finding.sentence = attack_status(finding, gates)
    return finding
