"""The words of this report, and the threshold behind each of them."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.games.trials import BROKEN_ABOVE
from ihaudit.report import words
from ihaudit.report.remedies import SEVERITY
from ihaudit.results import Results
from ihaudit.verdict.exceedance import ALPHA, CLEAR
from ihaudit.verdict.gates import GateOptions, quantile_name


@section("words", "Words, and the threshold behind each", order=90)
def build(source: Source) -> dict[str, Any]:
    return {"meanings": meanings(source.results), "severities": list(SEVERITY.items())}


def meanings(results: Results) -> list[tuple[str, str]]:
    """Word and rule, with the bounds of this audit."""
    g = GateOptions.stored(results.options.get("gates") or {})
    ssim, reid = words.scaled(g.max_ssim), words.scaled(g.max_reid, words.gate_unit("reid"))
    advantage = (
        ""
        if g.max_advantage is None
        else (f" Here --max-advantage gates games too, at {words.scaled(g.max_advantage)}.")
    )
    return [
        (
            "broken (attack)",
            f"the {quantile_name(g.quantile)} of SSIM over private images lies above {ssim} and above chance "
            "(negatives and mirror images count as recovered: each picture in the best of four polarities), or the "
            f"95 % interval of re-identification above chance lies above {reid}, or a secret was recovered.",
        ),
        (
            "above chance",
            "more private images than decoys, and more than by a trivial guess, score above the bound: two exact "
            f"tests, each at {words.scaled(ALPHA, '%')} in all; a single image counts where it lies "
            f"{words.scaled(CLEAR)} above every decoy and guess.",
        ),
        (
            "broken (game)",
            f"the lower end of the 95 % interval of its advantage lies above {words.scaled(BROKEN_ABOVE)} (of a scheme "
            f"that claims an epsilon: above what that epsilon allows).{advantage}",
        ),
        ("no break found", "it ran, and stayed within the threshold above. It is not evidence of privacy."),
        ("inconclusive", "it ran, and its result cannot be relied on; the reason stands beside it."),
        ("not run", "it did not run; the reason stands beside it."),
        (
            "claim refuted",
            "the measured value lies beyond the author’s bound with its whole 95 % interval, and (SSIM) above chance. "
            "A value beyond the bound that does not refute leaves the claim inconclusive.",
        ),
        (
            "gate missed, gate met",
            f"a bound of the auditor was crossed, or none was: {quantile_name(g.quantile)} of SSIM {ssim} (the value "
            f"itself, above chance), re-identification {reid} and advantage (lower end of the interval). An audit "
            "whose gate is missed, or with a claim refuted, is called broken, and ends with exit code 1.",
        ),
        ("profile", "how much is tried: quick, standard or full."),
    ]
