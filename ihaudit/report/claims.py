"""Section 2: what was claimed, what was tried, what came out, how sure that is, and what was not tried."""

from __future__ import annotations

from dataclasses import dataclass

from ihaudit.report import words
from ihaudit.results import ClaimResult, Finding, GateCheck, Results

#: Names listed in one cell before the rest is only counted.
MAX_NAMES = 6
UNITS = {"reid": "pp"}
CLAIM_WORD = {"refuted": "broken", "not refuted": "no break found", "inconclusive": "inconclusive"}


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
    titles = list(dict.fromkeys(f.title for f in findings))
    more = len(titles) - MAX_NAMES
    return titles if more <= 0 else [*titles[:MAX_NAMES], f"and {more} more"]


def _relevant(results: Results, quantity: str, adversary: list[str] | None) -> list[Finding]:
    """Attacks and games that could bear on a quantity, within an adversary's knowledge where one is stated."""
    kinds = ("attack",) if quantity in ("ssim", "reid") else ("game",)
    able = None if adversary is None else {*adversary, "encodings"}
    return [f for f in results.of_kind(*kinds) if able is None or able.issuperset(f.needs)]


def _sure(results: Results, measured: object, unit: str) -> list[str]:
    from ihaudit.stats import Estimate

    parts = []
    if isinstance(measured, Estimate) and measured.value is not None:
        shown = words.interval(measured, unit)
        trials = f" from {words.number(measured.n)} images or trials" if measured.n else ""
        parts.append(f"95 % interval {shown}{trials}" if shown else f"no interval{trials}")
    else:
        parts.append("nothing measured")
    controls = [c for c in results.of_kind("control") if c.status != "not run"]
    failed = [c for c in controls if c.status == "inconclusive"]
    if failed:
        parts.append(f"controls failed: {words.listing([c.title for c in failed])}")
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
    unit = UNITS.get(claim.quantity, "")
    outcome = words.estimate(claim.measured, unit) if claim.measured else words.sentence(claim.reason or "not measured")
    if claim.by:
        outcome += f" by {words.title_of(results, claim.by)}"
    if claim.reason and claim.measured:
        outcome += f". {words.sentence(claim.reason)}"
    return _row(
        results,
        claim.quantity,
        claim.adversary,
        claimed=words.sentence(claim.text),
        bound=f"{claim.quantity} at most {words.scaled(claim.bound, unit)}"
        + (f" for {claim.quantile:.0%} of images" if claim.quantile < 1 and claim.quantity in ("ssim", "reid") else ""),
        status=CLAIM_WORD[claim.status],
        outcome=outcome,
        sure=_sure(results, claim.measured, unit),
    )


def check_row(results: Results, check: GateCheck) -> Row:
    """One gated statistic."""
    text = f"{check.name} {check.statistic}".lower()
    if check.name == "secret":
        return _row(
            results,
            "ssim",
            None,
            claimed="No secret of the scheme is recovered (its masks, or its generator’s state).",
            bound="must not happen",
            status="broken" if check.met is False else "inconclusive" if check.met is None else "no break found",
            outcome=f"recovered by {words.title_of(results, check.by)}" if check.met is False else "not recovered",
            sure=_sure(results, None, "")[1:],
        )
    if check.name == "copies":
        return _row(
            results,
            "ssim",
            None,
            claimed="No released field repeats private images themselves.",
            bound="must not happen",
            status="broken",
            outcome="private images lie in the release as they are",
            sure=_sure(results, None, "")[1:],
        )
    quantity = "advantage" if "advantage" in text else "reid" if "identif" in text or "reid" in text else "ssim"
    unit = UNITS.get(quantity, "")
    status = "inconclusive" if check.met is None else "no break found" if check.met else "broken"
    outcome = words.estimate(check.measured, unit) if check.measured else "not measured"
    if check.by:
        outcome += f" by {words.title_of(results, check.by)}"
    return _row(
        results,
        quantity,
        None,
        claimed=words.sentence(check.statistic or check.name),
        bound=f"must stay below {words.scaled(check.bound, unit)}",
        status=status,
        outcome=outcome,
        sure=_sure(results, check.measured, unit),
    )


def build(results: Results) -> tuple[list[Row], list[Row]]:
    """Rows of the author's claims and of the gate's checks."""
    return [claim_row(results, c) for c in results.claims], [check_row(results, c) for c in results.gate.checks]
