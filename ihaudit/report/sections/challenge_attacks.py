"""All attacks on a release without its scheme, by their own figures, and each with its card."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import words
from ihaudit.report.cards import card
from ihaudit.report.selection import by_weight, challenge_answer, ran
from ihaudit.results import Finding


@section("challenge_attacks", "Attacks", order=50, reports=("challenge",))
def build(source: Source) -> dict[str, Any]:
    answer, found = challenge_answer(source.results), by_weight(ran(source.results, "attack"))
    first = [answer] if answer else []
    return {
        "rows": [_row(f, f is answer) for f in found],
        "cards": [card(f) for f in [*first, *(f for f in found if f is not answer)]],
    }


def _row(f: Finding, is_answer: bool) -> dict[str, Any]:
    residual = f.details.get("residual_rms")
    return {
        "finding": f,
        "answer": is_answer,
        "images": words.number(int(f.details["images"])) if "images" in f.details else "–",
        "confidence": words.estimate(f.metrics["confidence"]) if "confidence" in f.metrics else "none of its own",
        "agreement": words.estimate(f.metrics["agreement"]) if "agreement" in f.metrics else "–",
        "residual": words.number(float(residual)) if isinstance(residual, (int, float)) else "–",
        "cost": words.duration(f.cost.wall_s),
    }
