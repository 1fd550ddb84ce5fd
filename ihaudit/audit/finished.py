"""A folder with a complete audit, where --resume asks to go on with it: only what was asked for is handed back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ihaudit import registry
from ihaudit.audit.checkpoint import same_plan
from ihaudit.audit.options import AuditOptions
from ihaudit.errors import UsageError
from ihaudit.report import render
from ihaudit.results import Results, read_arrays, read_results
from ihaudit.verdict.decide import regate


def finished_audit(folder: Path, plan: Mapping[str, Any], options: AuditOptions) -> Results:
    """The results that `folder` holds, decided again by their findings; reports that are missing are written.

    Args:
        folder: of the audit.
        plan: what is audited now: scheme, parameters, images, seed, version and the rest that decides figures.
        options: of this run.

    Raises:
        UsageError: it is an audit of something else, or by other bounds, or holds images that are to be kept out.
        ResultsError: results.json is damaged.
    """
    results = read_results(folder)
    kept = results.options.get("plan")
    if not isinstance(kept, Mapping):
        raise UsageError(
            f"cannot resume: {folder / 'results.json'} does not say what was audited; start afresh with --overwrite"
        )
    same_plan(kept, plan)
    bounds, asked = results.options.get("gates"), asdict(options.gates)
    if bounds != asked:
        raise UsageError(
            f"cannot resume: the bounds of the gate were {bounds!r} and are now {asked!r}; decide again by "
            f"`ihaudit gate {folder}` with those you want, or start afresh with --overwrite"
        )
    arrays = read_arrays(folder)
    if not options.samples and any(a.ndim >= 3 for a in arrays.values()):
        raise UsageError(
            f"cannot resume: {folder / 'arrays.npz'} holds private images, which --no-samples is to keep out; start "
            "afresh with --overwrite"
        )
    decided = regate(results, options.gates, arrays)
    missing = [f for f in options.formats if not (folder / registry.get("format", f).filename).exists()]
    render(decided, arrays, folder, missing, samples=options.samples)
    return decided
