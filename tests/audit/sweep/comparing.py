"""Sweeps with real audits, as cheap as audits get, and what of two of them must be the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ihaudit.results import read_results

#: A sweep of a scheme whose parameter matters, without --out.
CHEAP = (
    *("sweep", "gaussian", "--n-private", "8", "--attack", "as-released", "--game", "none", "--quiet"),
    *("--format", "markdown"),
)


def shown(folder: Path) -> dict[str, Any]:
    """What an audit found, without what no two runs share: times, memory, and the command line."""
    results = read_results(folder)
    return {
        "gate": results.gate.model_dump(),
        "claims": [c.model_dump() for c in results.claims],
        "release": results.release and results.release.model_copy(update={"encode_s": 0.0}).model_dump(),
        "options": results.options,
        "findings": [_kept(f.model_dump(exclude={"cost"})) for f in results.findings],
    }


def _kept(value: Any) -> Any:
    """Without the seconds that stages and tables tell."""
    if isinstance(value, dict):
        return {k: _kept(v) for k, v in value.items() if not (k == "seconds" or k.endswith("_s"))}
    return [_kept(v) for v in value] if isinstance(value, list) else value
