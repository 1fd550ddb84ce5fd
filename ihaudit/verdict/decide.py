"""Claims, gates, exit codes: one statistic drives the printed word, the report and the exit code.

Which figure decides
    *Gate on SSIM*: the sample quantile itself.  It is a fact about the images that were audited ("more than 10 % of
    them were recovered above the bound"), not an estimate; its interval says what to expect of other images.  It
    counts only where it is above chance (`ihaudit.verdict.exceedance`), so that images which look alike, a constant or
    noise raise no alarm.
    *Gates on re-identification and advantage*: the lower end of the 95 % interval.  These have a chance level, and
    trial noise straddles it: a scheme whose true advantage equals the bound misses its gate in at most 1 of 40 audits.
    *Claims*: the lower end of the interval (for "no image", the best image itself), and above chance.
The strongest attack decides.  Taking the maximum over attacks is a selection too: it is what an adversary reaches who
tries all of them and can tell which worked.  The tests of chance are corrected for it; the gate is strict on purpose.
Several games are corrected by Holm's method, so that one scheme at the bound is not failed by one of many games.
    *With ``--strict``* whatever came out broken misses the gate; without it, where the gate is met and something did,
    `ihaudit.verdict.headline` says so in the first line of every format.

Exit codes, in this order
    3 a null control came out broken: then "broken" means nothing
    1 a gate missed or a claim refuted: a break that was shown stands, even if a positive control survived
    3 a positive control survived or none ran, something asked for did not run or failed, nothing was measured, a
      claim could not be tested although attacks and games were not restricted by the user, or not both an attack and
      a game ran on the scheme and broke a positive control (`ihaudit.verdict.reliability.coverage_doubts`)
    0 otherwise
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ihaudit.figures import estimate, scaled
from ihaudit.results import ClaimResult, Finding, Gate, GateCheck, Results, following
from ihaudit.scheme import Claim
from ihaudit.verdict.claims import doubted, judge_claim
from ihaudit.verdict.exceedance import Arrays, exceedances
from ihaudit.verdict.gates import (
    EVENTS,
    GateOptions,
    advantage_check,
    attack_status,
    conditional_checks,
    copies_check,
    gate_unit,
    low_end,
    reid_check,
    secret_check,
    ssim_check,
)
from ihaudit.verdict.headline import sentence, strict_check
from ihaudit.verdict.reliability import NO_TRUTH, control_doubts, coverage_doubts


def decide(
    findings: Sequence[Finding],
    claims: Sequence[Claim],
    gates: GateOptions,
    *,
    arrays: Arrays | None = None,
    controls_required: bool = True,
) -> tuple[list[ClaimResult], Gate]:
    """The verdict on every claim and the gate.

    The status and the sentence of attack findings are set here too, from the same statistics (`attack_status`).

    Args:
        findings: all findings, with their arrays where they are at hand; controls and baselines among them.
        claims: of the scheme.
        gates: the bounds.
        arrays: arrays.npz, for findings that were read from results.json.
        controls_required: whether an audit without any positive control is inconclusive (not for releases that come
            without a scheme).

    Returns:
        One `ClaimResult` per claim, and the `Gate`.
    """
    exceeds = exceedances(findings, arrays)
    attacks = [f for f in findings if f.kind == "attack" and f.id in exceeds and f.status != "inconclusive"]
    for f in attacks:
        f.status, f.sentence = attack_status(f, gates, exceeds[f.id], len(attacks))
    games = [f for f in findings if f.kind == "game" and f.status not in ("not run", "inconclusive")]
    null_broke, doubts = control_doubts(findings, controls_required)
    judged = [judge_claim(c, attacks, games, exceeds, findings) for c in claims]
    judged = [doubted(r, null_broke, doubts) for r in judged]
    checks = [ssim_check(attacks, exceeds, gates), reid_check(attacks, gates)]
    checks += [c for c in (secret_check(attacks), copies_check(findings)) if c is not None]
    checks += conditional_checks(findings)
    if gates.max_advantage is not None:
        checks.append(advantage_check(games, gates.max_advantage))
    if gates.strict:
        checks.append(strict_check(findings, checks))
    open_ = list(dict.fromkeys(_undecided(findings, judged, checks, doubts)))
    uncovered = coverage_doubts(findings) if controls_required else []
    if any(f.status in ("broken", "no break found") for f in [*attacks, *games]):
        reasons = [*null_broke, *doubts, *open_, *uncovered]
    else:  # that nothing ran is why no control broke, and comes first
        reasons = [*null_broke, *uncovered, *open_, *doubts]
    gate = _gate(judged, checks, null_broke, reasons)
    gate.warning = sentence(gate, findings)
    return judged, gate


def regate(results: Results, options: GateOptions, arrays: Mapping[str, NDArray[Any]] | None = None) -> Results:
    """Decide again from stored results with other bounds; runs nothing and changes nothing in `results`.

    Args:
        results: as read.
        options: the bounds.
        arrays: arrays.npz by name; without it only the stored quantiles (0.5, 0.9, 1) can be gated.

    Returns:
        A copy with new statuses, claims, gate and ``options["gates"]``.

    Raises:
        ResultsError: the findings or the arrays are not what an audit writes.
    """
    new = results.model_copy(deep=True)
    with following(Path("results.json")):
        if results.options.get("kind") == "challenge":
            new.gate = decide_challenge(new.findings, bool(results.options.get("answer_by")))
            return new
        claims = [
            Claim(
                c.quantity,
                c.bound,
                tuple(c.adversary),
                quantile=c.quantile,
                target=c.target,
                delta=c.delta,
                text=c.text,
            )
            for c in results.claims
        ]
        # Whatever the gate says of them: every audit runs controls, and without any nothing shows its attacks to work.
        new.claims, new.gate = decide(new.findings, claims, options, arrays=arrays)
        new.options["gates"] = asdict(options)
    return new


def decide_challenge(findings: Sequence[Finding], answered: bool) -> Gate:
    """The gate of a release that came without its scheme.

    Missed where a secret was recovered, which shows without the truth; inconclusive otherwise.

    Args:
        findings: of its attacks.
        answered: whether one of them recovered images.
    """
    copies = [f.model_copy(deep=True) for f in findings]
    _, gate = decide(copies, [], GateOptions(), controls_required=False)
    if gate.status == "missed":
        return gate
    reason = NO_TRUTH if answered else "no attack could answer"
    open_ = [
        f"{f.id} was asked for and is {f.status}: {f.reason}"
        for f in findings
        if f.requested and f.status in ("not run", "inconclusive")
    ]
    return gate.model_copy(
        update={
            "status": "inconclusive",
            "exit_code": 3,
            "sentence": f"Nothing was scored: {reason}.",
            "reasons": [reason, *open_],
        }
    )


def _undecided(
    findings: Sequence[Finding], claims: Sequence[ClaimResult], checks: Sequence[GateCheck], doubts: Sequence[str]
) -> Iterator[str]:
    """Why the audit is inconclusive where nothing was missed: what could not be decided, did not run, or failed."""
    yield from (f"{c.statistic}: {_why_open(findings, c)}" for c in checks if c.met is None)
    tried = [f for f in findings if f.kind in ("attack", "game")]
    for f in tried:
        if f.requested and f.status in ("not run", "inconclusive"):
            yield f"{f.id} was asked for and is {f.status}: {f.reason}"
    yield from (f"{f.id}: {f.reason}" for f in tried if not f.requested and f.status == "inconclusive")
    yield from (f"{f.id}: {f.reason}" for f in findings if f.id == "checks-behaviour" and f.status == "inconclusive")
    # Who restricts an audit to some attacks or games has not asked for every claim to be tested; what was measured
    # beyond a claim's bound leaves it open all the same.
    restricted = any(f.requested for f in findings)
    for c in claims:
        if c.status == "inconclusive" and c.reason not in doubts and (c.measured is not None or not restricted):
            yield f"claim {'undecided' if c.measured else 'not tested'}: {c.text}: {c.reason}"


def _gate(
    claims: Sequence[ClaimResult],
    checks: list[GateCheck],
    null_broke: Sequence[str],
    reasons: list[str],
) -> Gate:
    """The gate from its checks."""
    missed = [c for c in checks if c.met is False]
    refuted = [c for c in claims if c.status == "refuted"]
    # The check that decided: the first that was missed, else the first that could be decided; SSIM is the first. One
    # whose interval reaches down to its bound is not named where another was missed by a whole interval.
    first = min(
        checks,
        key=lambda c: (c.met is not False, c.met is None, c.met is False and low_end(c.measured) <= c.bound),
    )
    gate = Gate(
        status="met",
        exit_code=0,
        statistic=first.statistic,
        bound=first.bound,
        measured=first.measured,
        by=first.by,
        checks=checks,
        reasons=reasons,
    )
    unit = gate_unit(first.name)
    figure = f"{first.statistic}: {estimate(first.measured, unit)} against a bound of {scaled(first.bound, unit)}"
    if first.name in EVENTS:
        figure = first.statistic
    by = f" ({first.by})" if first.by else ""
    if null_broke and (missed or refuted):
        gate.status, gate.exit_code = "inconclusive", 3
        gate.sentence = (
            f"Inconclusive: a break was measured, but a null control came out broken as well; {null_broke[0]}."
        )
    elif missed:
        gate.status, gate.exit_code = "missed", 1
        gate.sentence = f"Gate missed: {figure}{by}."
        if refuted:
            gate.sentence += f" {len(refuted)} of {len(claims)} claims refuted."
    elif refuted:
        claim = refuted[0]
        gate.status, gate.exit_code = "missed", 1
        gate.statistic, gate.bound, gate.measured, gate.by = (
            f"claim: {claim.text}",
            claim.bound,
            claim.measured,
            claim.by,
        )
        value = estimate(claim.measured, gate_unit(claim.quantity))
        gate.sentence = f"Claim refuted: {claim.text}; measured {value} ({claim.by}). The gate's bounds are met."
    elif reasons:
        gate.status, gate.exit_code = "inconclusive", 3
        gate.sentence = f"Inconclusive: {reasons[0]}."
    else:
        gate.sentence = (
            f"Gate met: no break found by what was tried; {figure}{by}. This proves nothing about other attacks."
        )
    gate.sentence = gate.sentence.replace("..", ".")
    return gate


def _why_open(findings: Sequence[Finding], check: GateCheck) -> str:
    kind = "game" if check.name == "advantage" else "attack"
    ran = [f for f in findings if f.kind == kind and f.status != "not run"]
    if not ran:
        return f"no {kind} ran"
    if check.name == "ssim" and any("ssim" in f.metrics for f in ran):
        return "needs the scores per image in arrays.npz, which is missing (0.5, 0.9 and 1 can be gated without it)"
    if check.name == "reid":
        return "no attack's reconstructions could be compared with the private images"
    return f"no {kind} measured it"
