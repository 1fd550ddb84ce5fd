"""Games, utility, checks and marginal tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import details, plots, words
from ihaudit.report.cards import Card, Chart, card
from ihaudit.report.selection import by_weight, ran, value
from ihaudit.results import Finding
from ihaudit.stats import Estimate


@section("games", "Games", order=40)
def build(source: Source) -> dict[str, Any]:
    results = source.results
    found = by_weight(ran(results, "game"))
    return {
        "rows": [_row(f) for f in found],
        "cards": _once([card(f) for f in found]),
        "charts": _charts(found),
        "utility": [card(f) for f in by_weight(ran(results, "utility"))],
        "checks": _checks(by_weight(ran(results, "check"))),
        "marginals": [card(f) for f in by_weight(ran(results, "marginal"))],
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


def _once(found: list[Card]) -> list[Card]:
    """The same cards, with a note that several of them repeat left to the first."""
    seen: set[str] = set()
    out = []
    for c in found:
        out.append(replace(c, notes=[n for n in c.notes if n not in seen]))
        seen.update(c.notes)
    return out


def _checks(found: list[Finding]) -> list[Card]:
    """Checks; a summary is left out where the parts that it sums up are there."""
    ids = [f.id for f in found]
    return [card(f) for f in found if not any(other.startswith(f"{f.id}-") for other in ids)]


def _charts(found: Sequence[Finding]) -> list[Chart]:
    charts = []
    bars = []
    for f in found:
        e, floor = f.metrics.get("advantage"), details.floor(f)
        if e is not None and e.value is not None:
            least = floor.value if floor and floor.value is not None and floor.value > 0 else None
            bars.append((f.title, e.value, e.low, e.high, least))
    if len(bars) > 1:
        spoken = "; ".join(f"{b[0]}: {words.estimate(Estimate(b[1], b[2], b[3]))}" for b in bars)
        floors = (
            " A red triangle is the floor that the theorem predicts." if any(b[4] is not None for b in bars) else ""
        )
        caption = f"Advantage in each game with its 95 % interval.{floors}"
        charts.append(
            Chart(
                plots.intervals(bars, "advantage (0 = guessing, 1 = certainty)"),
                caption,
                f"Chart of intervals. {spoken}.",
            )
        )
    curves = [c for c in (details.roc(f) for f in found) if c is not None]
    if curves:
        caption = (
            "ROC curves on logarithmic axes. What counts is the left edge: how many are caught at few false alarms."
        )
        shown = curves[: len(plots.LINES)]
        charts.append(Chart(plots.roc(shown), caption, f"ROC curves of: {words.listing([c.name for c in shown])}."))
    return charts
