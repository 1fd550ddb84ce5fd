"""Limits, and the seven questions that Carlini's essay (2020) asks of a scheme, answered from the findings.

A finding can answer a question itself with ``details["essay"] = {key: sentence}``; keys are those of `QUESTIONS`.
What no finding answers is "not examined".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import words
from ihaudit.report.contents import place
from ihaudit.report.selection import broken, ran
from ihaudit.results import Finding, Results

QUESTIONS = {
    "claim": "Does it make a claim that could be refuted?",
    "goalposts": "Do the goalposts stay where they are?",
    "complexity": "Is there complexity for show?",
    "weakness": "Does the added complexity add a weakness? Is its randomness predictable?",
    "theorems": "Are the theorems about the scheme that is deployed, and about typical data?",
    "indistinguishability": "Is “indistinguishable” meant in its real sense?",
    "honesty": "Is there an honest word when it falls?",
}
#: asked besides where the scheme has sign masks
OF_MASKS = {"complexity": " Is the mask worth more than an absolute value?", "weakness": " Is the mask predictable?"}
NOT_EXAMINED = "not examined"
_MASK = re.compile(
    r"\b(prng|rng|mask-randomness|generators?|whitebox|white-box|seed|seedless|predict\w*)\b", re.IGNORECASE
)
_ABS = re.compile(r"\b(abs|absolute|magnitude|magnitudes|\|\.\|)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """One question with a short answer and the sentences behind it."""

    question: str
    short: str
    text: str


@section("limits", "Limits, and seven questions", order=90)
def build(source: Source) -> dict[str, Any]:
    return {"essay": answers(source.results)}


def answers(results: Results) -> list[Answer]:
    """The seven answers, in the essay's order."""
    makers: dict[str, Callable[[Results], tuple[str, str]]] = {
        "claim": _claim,
        "goalposts": _goalposts,
        "complexity": _complexity,
        "weakness": _weakness,
        "theorems": _theorems,
        "indistinguishability": _indistinguishability,
        "honesty": _honesty,
    }
    found = []
    for key, question in QUESTIONS.items():
        question += OF_MASKS.get(key, "") if masked(results) else ""
        short, text = makers[key](results)
        own = [words.sentence(s) for f in results.findings if (s := _own(f, key))]
        if own:
            text = " ".join(own) if short == NOT_EXAMINED else " ".join([text, *own])
            short = "see text" if short == NOT_EXAMINED else short
        found.append(Answer(question, short, text))
    return found


def masked(results: Results) -> bool:
    """Whether the scheme has sign masks, as far as what ran could see."""
    for f in results.findings:
        if f.status != "not run" and f.kind in ("attack", "check"):
            seen = f.details.get("mask")
            hidden = seen == "absolute" and results.release is not None and results.release.image_range[0] < 0
            if f.id.startswith("mask-randomness") or seen == "masked" or hidden or f.details.get("signed") is True:
                return True
    return False


def _own(finding: Finding, key: str) -> str:
    essay = finding.details.get("essay")
    return str(essay.get(key) or "") if isinstance(essay, dict) else ""


def _claim(results: Results) -> tuple[str, str]:
    if not results.claims:
        return "no", (
            "The scheme states no quantity, bound and adversary that a measurement could contradict. This audit "
            "applied its own default gates instead; they are the auditor's, not the author's."
        )
    refuted = [c for c in results.claims if c.status == "refuted"]
    n = len(results.claims)
    return "yes", f"{words.plural(n, 'claim')} with adversary, quantity and bound; {len(refuted)} of {n} refuted here."


def _goalposts(results: Results) -> tuple[str, str]:
    text = (
        f"Code and claims of this audit are fixed by the hash of the scheme file ({results.scheme.sha256[:16]}…); "
        "ihaudit compare shows what moved between two audits. "
    )
    if parameter := results.scheme.security_parameter:
        text += (
            f"The author names a security parameter ({parameter} = {results.scheme.parameters.get(parameter, '?')}); "
            "whether attacks really get harder with it is for a sweep to show, and was not examined here."
        )
    else:
        text += "No security parameter is named, so there is no stated way to answer an attack by a larger constant."
    return "in part", text


def _complexity(results: Results) -> tuple[str, str]:
    if results.scheme.parameters.get("release_abs") is True:
        return "no mask", "As audited the scheme publishes absolute values; there is no mask that could be for show."
    for f in ran(results, "attack"):
        stages = [s for s in f.stages if _ABS.search(s.variant) or _ABS.search(s.name)]
        if f.status == "broken" and stages:
            return "for show", (
                f"The attack “{f.title}” throws all signs away in its stage “{stages[0].name}: {stages[0].variant}” "
                "and breaks the scheme all the same: against it a random sign mask is worth no more than an absolute "
                "value."
            )
    return NOT_EXAMINED, "No finding compares the scheme with a simpler one that hides as much."


def _weakness(results: Results) -> tuple[str, str]:
    found = [f for f in results.of_kind("attack", "check", "observation") if _MASK.search(f"{f.id} {f.title}")]
    tried = [f for f in found if f.status != "not run"]
    if broken := [f for f in tried if f.status == "broken"]:
        return "yes", " ".join(words.sentence(f.sentence or f"{f.title}: broken") for f in broken)
    if tried:
        names = words.listing([f.title for f in tried])
        return "none found", f"No weakness of the generator was found by: {names}. Other ways to predict it may exist."
    reasons = [f"{f.title} ({f.reason})" for f in found]
    more = f" Not run: {'; '.join(reasons)}." if reasons else ""
    return NOT_EXAMINED, f"No finding tests whether the scheme's randomness can be predicted.{more}"


def _theorems(results: Results) -> tuple[str, str]:
    where = f" ({results.private.name})" if results.private else ""
    text = (
        "ihaudit reads no proofs, so the author's theorems were not examined. Every number here was measured on the "
        f"scheme as it stands in its file, with its parameters, on ordinary images{where} rather than contrived ones."
    )
    if checks := broken(results, "check"):
        text += (
            f" What the scheme declares about itself was contradicted by: {words.listing([f.title for f in checks])}."
        )
    return NOT_EXAMINED, text


def _indistinguishability(results: Results) -> tuple[str, str]:
    games = [f for f in ran(results, "game") if "advantage" in f.metrics]
    if not games:
        return NOT_EXAMINED, "No distinguishing game was played."
    marginals = (
        f" Marginal statistics stand in {place(results, 'games')} too; that two histograms look alike is no evidence "
        "for this."
        if ran(results, "marginal")
        else ""
    )
    broken = [f for f in games if f.status == "broken"]
    if broken:
        worst = max(broken, key=lambda f: (f.primary == "advantage", f.metrics["advantage"].low or 0.0))
        return "no", (
            f"Two encodings can be told apart by an efficient adversary: advantage "
            f"{words.estimate(worst.metrics['advantage'])} in “{worst.title}”.{marginals}"
        )
    return "not shown", (
        f"No adversary among {words.plural(len(games), 'game')} told encodings apart beyond the bound. The word means "
        f"that no efficient adversary can, which only a proof could show.{marginals}"
    )


def _honesty(results: Results) -> tuple[str, str]:
    word = words.verdict_word(results)
    if word == "broken":
        refuted = [c for c in results.claims if c.status == "refuted"]
        what = (
            f"{words.plural(len(refuted), 'claim')} of its author no longer stand" if refuted else "its gate was missed"
        )
        what = what.replace("1 claim of its author no longer stand", "1 claim of its author no longer stands")
        return "it fell", (
            f"Here is the word of this audit: the scheme, with these parameters, is broken; {what}. What its own "
            "documentation says about that was not examined."
        )
    if word == "inconclusive":
        return "open", "This audit is inconclusive; neither praise nor blame may rest on it."
    if loud := [f.title for f in broken(results, "attack", "game", "check")]:
        return (
            "not in full",
            f"No gate was crossed, yet these came out broken: {words.listing(loud)}. An honest word names them.",
        )
    return "did not fall here", "It did not fall to what was tried. To say more than that would not be honest."
