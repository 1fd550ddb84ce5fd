"""All attacks beside trivial guesses, and each with its card."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import charts, words
from ihaudit.report.known_pairs import bought
from ihaudit.report.selection import answers, best_baseline, by_weight, ran, value
from ihaudit.results import Finding
from ihaudit.verdict.gates import TURNED

#: Rows in the reviewer's part, the broken ones first; the annex has every attack.
SHOWN = 6


@section("attacks", "Attacks", order=50)
def build(source: Source) -> dict[str, Any]:
    results, baseline = source.results, best_baseline(source.results)
    found = by_weight(ran(results, "attack"))
    return {
        "rows": [_row(f, baseline) for f in found[:SHOWN]],
        "left_out": max(0, len(found) - SHOWN),
        "best_baseline": baseline,
        "cost": charts.cost_against_ssim(results),
        "known_pairs": bought(results),
    }


def _row(attack: Finding, baseline: Finding | None) -> dict[str, Any]:
    above, guessed = attack.metrics.get("above_baseline"), value(baseline, "ssim") if baseline else None
    own = words.scaled(above_baseline(value(attack, "ssim"), guessed), "%")
    return {
        "finding": attack,
        "answered": answers(attack),
        "ssim": words.estimate(attack.metrics.get("ssim")),
        "q90": words.estimate(attack.metrics.get("ssim_q90")),
        # what its outcome rests on, where the plain score does not show it
        "turned": words.number(value(attack, "ssim_polarity_q90")) if TURNED in attack.sentence else "",
        "reid": words.estimate(attack.metrics.get("reid"), "%"),
        "above": own if above is None else words.estimate(above, "%"),
        "cost": words.duration(attack.cost.wall_s),
    }


def above_baseline(ssim: float | None, baseline: float | None) -> float | None:
    """(attack - baseline) / (1 - baseline): which share of what a trivial guess leaves open the attack closed."""
    if ssim is None or baseline is None or baseline >= 1:
        return None
    return (ssim - baseline) / (1 - baseline)
