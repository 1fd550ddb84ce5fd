"""Games and usefulness at a glance."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import charts, details, words
from ihaudit.report.selection import by_weight, ran, value
from ihaudit.results import Finding

#: Rows in the reviewer's part, the broken ones first; the annex has every game.
SHOWN = 6


@section("games", "Games", order=60)
def build(source: Source) -> dict[str, Any]:
    results = source.results
    found = by_weight(ran(results, "game"))
    return {
        "rows": [_row(f) for f in found[:SHOWN]],
        "left_out": max(0, len(found) - SHOWN),
        "charts": charts.of_games(found[:SHOWN]),
        "low": charts.at_few_alarms(found[:SHOWN]),
        "utility": by_weight(ran(results, "utility")),
    }


def _row(game: Finding) -> dict[str, Any]:
    advantage, reached = game.metrics.get("advantage"), value(game, "advantage")
    epsilon = details.epsilon(game)
    return {
        "finding": game,
        "advantage": words.estimate(advantage),
        "right": "n/a" if reached is None else words.scaled((1 + reached) / 2, "%"),
        "n": words.number(advantage.n) if advantage and advantage.n else "",
        "floor": _floor_text(details.floor(game)),
        "epsilon": epsilon.text if epsilon else "",
    }


def _floor_text(floor: details.Floor | None) -> str:
    if floor is None or floor.value is None:
        return ""
    return words.number(floor.value) if floor.value > 0 else "vacuous"
