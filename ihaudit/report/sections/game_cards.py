"""Each game, measure of utility and marginal test with its card, and the checks that did not pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report.cards import Card, card
from ihaudit.report.selection import by_weight, ran
from ihaudit.results import Finding


@section("game_cards", "Each game and check", order=230, annex=True)
def build(source: Source) -> dict[str, Any]:
    results = source.results
    return {
        "cards": _once([card(f) for f in by_weight(ran(results, "game"))]),
        "utility": [card(f) for f in by_weight(ran(results, "utility"))],
        "checks": _checks(by_weight(ran(results, "check"))),
        "check_cards": [card(f) for f in results.of_kind("check") if f.status in ("broken", "inconclusive")],
        "marginals": [card(f) for f in by_weight(ran(results, "marginal"))],
    }


def _once(found: list[Card]) -> list[Card]:
    """The same cards, with a note that several of them repeat left to the first."""
    seen: set[str] = set()
    out = []
    for c in found:
        out.append(replace(c, notes=[n for n in c.notes if n not in seen]))
        seen.update(c.notes)
    return out


def _checks(found: list[Finding]) -> list[Finding]:
    """Checks; a summary is left out where the parts that it sums up are there."""
    ids = [f.id for f in found]
    return [f for f in found if not any(other.startswith(f"{f.id}-") for other in ids)]
