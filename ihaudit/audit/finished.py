"""A folder with a complete audit, where --resume asks to go on with it: only what was asked for is handed back.

Beside the results lies a seal over them (`audit.seal`): a folder that came with a scheme, or that somebody edited, is
none of this user's audits, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ihaudit import registry
from ihaudit.audit.checkpoint import FOREIGN, said, same_plan
from ihaudit.audit.options import AuditOptions
from ihaudit.audit.seal import same, seal
from ihaudit.errors import UsageError
from ihaudit.report import render
from ihaudit.results import Results, atomic_write, read_arrays, read_results
from ihaudit.verdict.decide import regate

#: File beside results.json.
SEAL = ".seal"


def put_seal(folder: Path) -> None:
    """Seal the results that this process has just written to a folder."""
    atomic_write(folder / SEAL, _seal_of(folder) + "\n")


def sealed(folder: Path) -> bool:
    """Whether a folder's results are as this user's audit on this machine wrote them."""
    try:
        return same((folder / SEAL).read_text(encoding="utf-8").strip(), _seal_of(folder))
    except (OSError, ValueError):
        return False


def _seal_of(folder: Path) -> str:
    return seal("audit", *((folder / name).read_bytes() for name in ("results.json", "arrays.npz")))


def finished_audit(folder: Path, plan: Mapping[str, Any], options: AuditOptions) -> Results:
    """The results that `folder` holds, decided again by their findings; reports that are missing are written.

    Args:
        folder: of the audit.
        plan: what is audited now: scheme, parameters, images, seed, version and the rest that decides figures.
        options: of this run.

    Raises:
        UsageError: it is an audit of something else, or by other bounds, was changed or comes from elsewhere, or holds
            images that are to be kept out.
        ResultsError: results.json is damaged.
    """
    results = read_results(folder)
    kept = results.options.get("plan")
    if not isinstance(kept, Mapping):
        raise UsageError(
            f"cannot resume: {folder / 'results.json'} does not say what was audited; start afresh with --overwrite"
        )
    same_plan(kept, plan)
    if not sealed(folder):
        raise UsageError(
            f"cannot resume: {folder / 'results.json'} {FOREIGN}; read it as it is with `ihaudit gate {folder}`, or "
            "start afresh with --overwrite"
        )
    bounds, asked = results.options.get("gates"), asdict(options.gates)
    if bounds != asked:
        old = bounds if isinstance(bounds, Mapping) else {}
        key = next(k for k in [*asked, *old] if old.get(k) != asked.get(k))
        differ = f"{key} was {said(old.get(key))} and is now {said(asked.get(key))}"
        raise UsageError(
            f"cannot resume: of the bounds of the gate, {differ}; decide again by `ihaudit gate {folder}` with those "
            "you want, or start afresh with --overwrite"
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
