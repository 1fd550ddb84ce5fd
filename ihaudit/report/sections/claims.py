"""What was claimed, what was tried, what came out, how sure that is, and what was not tried."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import words
from ihaudit.results import ClaimResult, Finding, GateCheck, Results
from ihaudit.stats import Estimate
from ihaudit.verdict.headline import STRICT

#: Names listed in one cell before the rest is only counted.
MAX_NAMES = 6


@dataclass(frozen=True)
class Row:
    """One row of the table; `status` is one of the report's words."""

    claimed: str
    bound: str
    tried: list[str]
    status: str
    outcome: str
    sure: list[str]
    not_tried: list[str]


def _names(findings: list[Finding]) -> list[str]:
    ids = list(dict.fromkeys(f.id for f in findings))
    more = len(ids) - MAX_NAMES
    return ids if more <= 0 else [*ids[:MAX_NAMES], f"and {more} more"]


def _relevant(results: Results, quantity: str, adversary: list[str] | None) -> list[Finding]:
    """Attacks and games that could bear on a quantity, within an adversary's knowledge where one is stated."""
    kinds = ("attack",) if quantity in ("ssim", "reid") else ("game",)
    able = None if adversary is None else {*adversary, "encodings"}
    return [f for f in results.of_kind(*kinds) if able is None or able.issuperset(f.needs)]


def _sure(results: Results, measured: Estimate | None, unit: str) -> list[str]:
    parts = []
    if measured is not None and measured.value is not None:
        shown = words.interval(measured, unit)
        trials = f" from {words.number(measured.n)} images or trials" if measured.n else ""
        parts.append(f"95 % interval {shown}{trials}" if shown else f"no interval{trials}")
    else:
        parts.append("nothing measured")
    controls = [c for c in results.of_kind("control") if c.status != "not run"]
    failed = [c for c in controls if c.status == "inconclusive"]
    if failed:
        parts.append(f"controls failed: {words.listing([c.id for c in failed])}")
    elif controls:
        parts.append(f"{words.plural(len(controls), 'control')} came out as they must")
    else:
        parts.append("no controls ran")
    return parts


def _row(results: Results, quantity: str, adversary: list[str] | None, **fields: object) -> Row:
    findings = _relevant(results, quantity, adversary)
    ran = [f for f in findings if f.status != "not run"]
    left = [f for f in findings if f.status == "not run"]
    return Row(tried=_names(ran), not_tried=_names(left), **fields)  # type: ignore[arg-type]


def claim_row(results: Results, claim: ClaimResult) -> Row:
    """One claim of the scheme's author."""
    unit = words.gate_unit(claim.quantity)
    bound = f"{words.QUANTITY.get(claim.quantity, claim.quantity)} at most {words.scaled(claim.bound, unit)}"
    if claim.quantile < 1 and claim.quantity == "ssim":
        bound += f" for {words.scaled(claim.quantile, '%')} of images"
    bound += (
        f"; against: {words.listing([words.KNOWLEDGE[k][0].lower() for k in claim.adversary if k in words.KNOWLEDGE])}"
    )
    outcome = words.estimate(claim.measured, unit) if claim.measured else words.sentence(claim.reason or "not measured")
    outcome += words.by(claim.by)
    if claim.reason and claim.measured:
        outcome += f". {words.sentence(claim.reason)}"
    return _row(
        results,
        claim.quantity,
        claim.adversary,
        claimed=words.sentence(claim.text),
        bound=bound,
        status=words.CLAIM_WORD[claim.status],
        outcome=outcome,
        sure=_sure(results, claim.measured, unit),
    )


#: Checks without a figure: what must not happen, what is said where it did, and where it did not.
EVENTS = {
    "secret": (
        "No secret of the scheme is recovered (its masks, or its generator’s state).",
        "recovered{by}",
        "not recovered",
    ),
    "copies": (
        "No released field repeats private images themselves.",
        "private images lie in the release in plain sight",
        "none found",
    ),
    STRICT: (
        "Nothing else comes out broken: no game, check or observation (--strict).",
        "broken{by}",
        "nothing did",
    ),
    "checks-behaviour": (
        "Images cannot be read off the encodings of calls of another kind (number of images, seed, process).",
        "they can{by}",
        "none were",
    ),
    "checks-release": ("The published release is one that the code makes.", "it is not{by}", "it is"),
    "checks-conventions": ("Conventions such as the range do not follow the images.", "they do{by}", "they do not"),
    "checks-constant": (
        "No array follows the images alone, whatever the seed.",
        "one does{by}",
        "none does",
    ),
}


def check_row(results: Results, check: GateCheck) -> Row:
    """One gated statistic."""
    if check.name in EVENTS:
        claimed, happened, otherwise = EVENTS[check.name]
        quantity, bound = "advantage" if check.name == STRICT else "ssim", "must not happen"
        outcome = happened.format(by=words.by(check.by)) if check.met is False else otherwise
        sure = _sure(results, None, "")[1:]
        if check.by and check.name not in ("secret", STRICT):  # a check of its own, which no attack bears on
            quantity = ""
    else:
        quantity, unit = check.name, words.gate_unit(check.name)
        claimed = words.sentence(check.statistic or check.name)
        bound = f"must stay below {words.scaled(check.bound, unit)}"
        outcome = words.estimate(check.measured, unit) if check.measured else "not measured"
        outcome += words.by(check.by)
        sure = _sure(results, check.measured, unit)
    row = _row(
        results,
        quantity,
        None,
        claimed=claimed,
        bound=bound,
        status=words.CHECK_WORD[check.met],
        outcome=outcome,
        sure=sure,
    )
    return row if quantity else replace(row, tried=[check.by or check.name], not_tried=[])


@section("claims", "Claim against measurement", order=30)
def build(source: Source) -> dict[str, Any]:
    results = source.results
    return {
        "beyond": _beyond(results),
        "claims": [claim_row(results, c) for c in results.claims],
        "checks": [check_row(results, c) for c in results.gate.checks],
    }


def _beyond(results: Results) -> str:
    """What this audit's adversary has beyond what the claims speak of; empty where they agree or there is no claim."""
    claimed = {k for c in results.claims for k in c.adversary} | {"encodings"}
    more = [words.KNOWLEDGE[k][0].lower() for k in words.KNOWLEDGE if k in results.adversary and k not in claimed]
    return words.listing(more) if results.claims else ""
