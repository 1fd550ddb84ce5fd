"""Each attack and observation with its card: what it measured, its stages, tables and curves."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report.cards import card
from ihaudit.report.selection import by_weight, ran


@section("attack_cards", "Each attack", order=220, annex=True)
def build(source: Source) -> dict[str, Any]:
    results = source.results
    return {
        "baselines": ran(results, "baseline"),
        "cards": [card(f) for f in by_weight(ran(results, "attack"))],
        "observations": [card(f) for f in by_weight(ran(results, "observation"))],
    }
