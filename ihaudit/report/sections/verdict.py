"""The verdict, and how many attacks, games and so on came out how."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import summary, words
from ihaudit.results import Results

OUTCOMES = ("broken", "no break found", "inconclusive", "not run")


@section("verdict", "Verdict", order=10)
def build(source: Source) -> dict[str, Any]:
    return {"verdict": summary.verdict(source), "at_a_glance": _at_a_glance(source.results), "outcomes": OUTCOMES}


def _at_a_glance(results: Results) -> list[dict[str, Any]]:
    """One row per kind that gives verdicts."""
    rows = []
    for kind in ("attack", "game", "check", "observation"):
        if part := results.of_kind(kind):
            counts = {s: sum(f.status == s for f in part) for s in OUTCOMES}
            rows.append({"kind": words.plural(len(part), words.KIND_WORD[kind]), "counts": counts})
    return rows
