"""What the verdict means, and what to do about each thing that came out broken or stayed open."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import remedies, summary

OUTCOMES = ("broken", "no break found", "inconclusive", "measured", "not run")


@section("actions", "What it means, and what to do", order=20)
def build(source: Source) -> dict[str, Any]:
    return {
        "said": summary.verdict(source),
        "actions": remedies.actions(source.results),
        "at_a_glance": at_a_glance(source),
    }


def at_a_glance(source: Source) -> dict[str, Any]:
    """How many attacks, games and so on ran and how they came out; columns in which nothing stands are left out."""
    results = source.results
    kinds = [(k, part) for k in ("attack", "game", "check", "observation") if (part := results.of_kind(k))]
    outcomes = [s for s in OUTCOMES if any(f.status == s for _, part in kinds for f in part)]
    rows = [
        {
            "kind": {"attack": "attacks", "game": "games", "check": "checks", "observation": "observations"}[k],
            "ran": sum(f.status != "not run" for f in part),
            "counts": {s: sum(f.status == s for f in part) for s in outcomes},
        }
        for k, part in kinds
    ]
    return {"outcomes": outcomes, "rows": rows}
