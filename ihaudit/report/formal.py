"""Section 4: games, utility, checks and marginal tests; and what they made of the controls of section 7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ihaudit.report import details, plots, words
from ihaudit.report.cards import Card, Chart, card, ran
from ihaudit.results import Finding
from ihaudit.stats import Estimate

if TYPE_CHECKING:
    from ihaudit.report.base import Source


def games(source: Source) -> dict[str, Any]:
    """Section 4."""
    found = ran(source, "game")
    rows = []
    for f in found:
        advantage = f.metrics.get("advantage")
        floor = details.floor(f)
        epsilon = details.epsilon(f)
        rows.append(
            {
                "finding": f,
                "advantage": words.estimate(advantage),
                "right": words.scaled((1 + advantage.value) / 2, "%")
                if advantage and advantage.value is not None
                else "n/a",
                "n": words.number(advantage.n) if advantage and advantage.n else "",
                "floor": _floor_text(floor),
                "epsilon": epsilon.text if epsilon else "",
            }
        )
    return {
        "rows": rows,
        "cards": _once([card(f) for f in found]),
        "charts": _game_charts(found),
        "utility": [card(f) for f in ran(source, "utility")],
        "checks": _checks(ran(source, "check")),
        "marginals": [card(f) for f in ran(source, "marginal")],
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


def controls(source: Source) -> list[dict[str, Any]]:
    """Section 7: what each attack and game made of each control, one row each."""
    rows = []
    for f in source.results.of_kind("control"):
        table = f.details.get("table")
        parts = table.get("rows") if isinstance(table, dict) else None
        for part in parts if isinstance(parts, list) else []:
            if isinstance(part, (list, tuple)) and len(part) == 4 and part[2] in words.STATUS_SIGN:
                rows.append({"control": f.title, "by": str(part[0]), "status": part[2], "seen": str(part[3])})
    return rows


def _checks(found: list[Finding]) -> list[Card]:
    """Checks; a summary is left out where the parts that it sums up are there."""
    ids = [f.id for f in found]
    return [card(f) for f in found if not any(other.startswith(f"{f.id}-") for other in ids)]


def _game_charts(found: Sequence[Finding]) -> list[Chart]:
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
