"""Each claim of a scheme beside its measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ihaudit.figures import scaled
from ihaudit.results import ClaimResult, Finding
from ihaudit.scheme import Claim, Knowledge
from ihaudit.stats import Estimate
from ihaudit.verdict.exceedance import Exceedance
from ihaudit.verdict.gates import TURNED, advantages, answered, gate_unit, low_end, value_of


def judge_claim(
    claim: Claim,
    attacks: Sequence[Finding],
    games: Sequence[Finding],
    exceeds: Mapping[str, Exceedance],
    findings: Sequence[Finding],
) -> ClaimResult:
    """A claim beside the strongest measurement that its adversary could make.

    Args:
        claim: of the scheme.
        attacks, games: that ran, with a verdict.
        exceeds: of the attacks, by id.
        findings: all of the audit, for the reason why nothing measured it.
    """
    result = ClaimResult(
        text=claim.sentence(),
        quantity=claim.quantity,
        bound=claim.bound,
        quantile=claim.quantile,
        adversary=sorted(k.value for k in claim.adversary),
        target=claim.target,
        delta=claim.delta,
        status="inconclusive",
    )
    kind = "attack" if claim.quantity in ("ssim", "reid") else "game"
    able = [f for f in (attacks if kind == "attack" else games) if _bears_on(f, claim)]
    rows: list[tuple[bool, Estimate, str]] = []
    turned: set[str] = set()
    if claim.quantity == "ssim":
        for f in able:
            e, above, by_polarity = exceeds[f.id].strongest(claim.quantile, claim.bound, len(able))
            if e is not None and e.value is not None:
                rows.append((above and low_end(e) > claim.bound, e, f.id))
                turned |= {f.id} if by_polarity else set()
        # What was recovered of these very images is a fact: a value beyond the bound is never passed over for a
        # smaller one that was measured more exactly.
        rows = [r for r in rows if value_of(r[1]) > claim.bound] or rows
    elif claim.quantity == "reid":
        found = [(f.metrics.get("reid_above_chance"), f.id) for f in able]
        rows = [(low_end(e) > claim.bound, e, id_) for e, id_ in found if e is not None and e.value is not None]
    elif claim.quantity == "advantage":
        rows = advantages(able, claim.bound)
    else:
        # A lower bound at a larger delta refutes the claim at its own; at a smaller one it says nothing.
        for f in able:
            e = f.metrics.get("epsilon")
            about = f.details.get("epsilon")
            delta = about.get("delta") if isinstance(about, dict) else None
            if e is not None and e.value is not None and (delta or 0.0) >= claim.delta - 1e-15:
                low = e.low if e.low is not None else e.value
                rows.append((low > claim.bound, e, f.id))
    if not rows:
        left_out = [f for f in findings if f.kind == kind and f.status in ("not run", "inconclusive")]
        # What failed says more than what does not address such a release.
        if left_out and all(" was asked for (--" in f.reason for f in left_out):
            result.reason = f"whoever ran this audit left out every {kind} that could measure it"
            return result
        first = min(left_out, key=lambda f: f.status != "inconclusive", default=None)
        why = f"; for instance {first.id}: {first.reason}" if first else ""
        result.reason = f"no {kind} that this adversary can run measured it{why}"
        return result
    refuted, result.measured, result.by = max(rows, key=lambda r: (r[0], low_end(r[1]), value_of(r[1])))
    by = next(f for f in able if f.id == result.by)
    if refuted:
        result.status = "refuted"
        result.reason = TURNED if result.by in turned else ""
    elif value_of(result.measured) > claim.bound:
        result.reason = _why_not_refuted(claim, result.measured, exceeds.get(by.id), len(able))
    else:
        result.status = "not refuted"
    if claim.quantity == "ssim" and (said := answered(by)) and said[0] < said[1]:
        part = f"it answered {said[0]} of {said[1]} images, and those without an answer count as not recovered"
        result.reason = f"{result.reason}; {part}" if result.reason else part
    return result


def _why_not_refuted(claim: Claim, measured: Estimate, exceed: Exceedance | None, tried: int) -> str:
    """The one reason why a value beyond the bound does not refute: a wide interval, guessing, or many tries."""
    unit = gate_unit(claim.quantity)
    bound = scaled(claim.bound, unit)
    value = f"the measured value ({scaled(measured.value, unit)}) lies beyond the bound ({bound})"
    if not low_end(measured) > claim.bound:
        if measured.low is None:
            return f"{value}, but it has no interval that would show by how much"
        return (
            f"{value}, but its interval is too wide: it reaches down to {scaled(measured.low, unit)}; more images or "
            "trials would decide"
        )
    if claim.quantity == "ssim":
        return f"{value}, but guessing reaches as much{_guessing(claim.bound, exceed)}"
    what = "attacks" if claim.quantity == "reid" else "games"
    return f"{value}, but the best of {tried} {what} goes that far by luck once in 40 audits (Holm's correction)"


def _guessing(bound: float, exceed: Exceedance | None) -> str:
    """How many images a trivial guess, and matching pictures that were never encoded, bring above the bound."""
    c = exceed.counts if exceed is not None else None
    if c is None:
        return ": there is neither a decoy nor a trivial guess beside it to show that it is more"
    i = next((i for i, t in enumerate(c["level"]) if t >= bound - 1e-9), len(c["level"]) - 1)
    level, private = scaled(c["level"][i]), c["private"][i]
    guessed = private - c["gain"][i] + c["loss"][i]
    text = f" on these images: above {level} lie {private} of {c['n']} private images, {guessed} of them by a trivial "
    return f"{text}guess" + (f", and {c['decoy'][i]} of {c['d']} images that were never encoded" if c["d"] else "")


def _bears_on(finding: Finding, claim: Claim) -> bool:
    """Whether the claim's adversary could run it, and the claim is about it."""
    if not {Knowledge(k) for k in finding.needs} <= claim.adversary:
        return False
    return claim.target is None or claim.target in (finding.id, finding.id.partition(":")[0])


def doubted(result: ClaimResult, null_broke: list[str], doubts: list[str]) -> ClaimResult:
    """A claim's verdict where controls failed: no refutation over a loud null, no survival of attacks that break
    nothing."""
    if result.status == "refuted" and null_broke:
        return result.model_copy(update={"status": "inconclusive", "reason": null_broke[0]})
    if result.status == "not refuted" and doubts:
        return result.model_copy(update={"status": "inconclusive", "reason": doubts[0]})
    return result
