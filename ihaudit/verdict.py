"""Claims, gates, exit codes: one statistic drives the printed word, the report and the exit code.

Which figure decides
    *Gate on SSIM*: the sample quantile itself.  It is a fact about the images that were audited ("more than 10 % of them were
    recovered above the bound"), not an estimate; its interval says what to expect of other images.  It counts only where it
    is above chance (`ihaudit.evidence`), so that images which look alike, a constant or noise raise no alarm.
    *Gates on re-identification and advantage*: the lower end of the 95 % interval.  These have a chance level, and trial
    noise straddles it: a scheme whose true advantage equals the bound misses its gate in at most 1 of 40 audits.
    *Claims*: the lower end of the interval (for "no image", the best image itself), and above chance.
The strongest attack decides.  Taking the maximum over attacks is a selection too: it is what an adversary reaches who
tries all of them and can tell which worked.  The tests of chance are corrected for it; the gate is strict on purpose.
Several games are corrected by Holm's method, so that one scheme at the bound is not failed by one of many games.

Exit codes, in this order
    3 a null control came out broken (then "broken" means nothing), or no null-tested break and something below
    1 a gate missed or a claim refuted: a break that was shown stands, even if a positive control survived
    3 a positive control survived, no control ran, something asked for did not run or crashed, nothing was measured,
      or a claim could not be tested although attacks and games were not restricted by the user
    0 otherwise
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from numpy.typing import NDArray

from ihaudit.errors import UsageError
from ihaudit.evidence import ALPHA, Arrays, Evidence, gather
from ihaudit.results import ClaimResult, Finding, Gate, GateCheck, Results, Status
from ihaudit.scheme import Claim, Knowledge
from ihaudit.stats import Estimate, holm

NO_CONTROLS = "no positive control ran, so that nothing shows the attacks of this audit to work"


@dataclass(frozen=True)
class GateOptions:
    """Bounds of the gate.

    Attributes:
        max_ssim: in [-1, 1], on the `quantile` of pinned SSIM over private images, of the strongest attack.
        quantile: in (0, 1]; 1 means the best image.
        max_reid: in [0, 1], on re-identification accuracy above chance.
        max_advantage: in [0, 1], on every game's pre-declared advantage; None: games do not gate.

    Raises:
        UsageError: a value out of its range.
    """

    max_ssim: float = 0.5
    quantile: float = 0.9
    max_reid: float = 0.05
    max_advantage: float | None = None

    def __post_init__(self) -> None:
        ranges = {"max_ssim": (-1, 1), "quantile": (0, 1), "max_reid": (0, 1), "max_advantage": (0, 1)}
        for name, (low, high) in ranges.items():
            x = getattr(self, name)
            if x is None and name == "max_advantage":
                continue
            if x is None or not math.isfinite(x) or not low <= x <= high or (name == "quantile" and x == 0):
                option = "--" + name.replace("_", "-")
                left = "(" if name == "quantile" else "["
                raise UsageError(f"{option} must be a number in {left}{low}, {high}], not {x!r}")


def decide(
    findings: Sequence[Finding],
    claims: Sequence[Claim],
    gates: GateOptions,
    adversary: frozenset[Knowledge] | None = None,
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
        adversary: what the audit's adversary knew; only named in reasons.
        arrays: arrays.npz, for findings that were read from results.json.
        controls_required: whether an audit without any positive control is inconclusive (not for releases that come
            without a scheme).

    Returns:
        One `ClaimResult` per claim, and the `Gate`.
    """
    evidence = gather(findings, arrays)
    attacks = [f for f in findings if f.kind == "attack" and f.id in evidence and f.status != "inconclusive"]
    for f in attacks:
        f.status, f.sentence = attack_status(f, gates, evidence[f.id], len(attacks))
    games = [f for f in findings if f.kind == "game" and f.status not in ("not run", "inconclusive")]
    null_broke, doubts = _controls(findings, controls_required)
    judged = [_claim(c, attacks, games, evidence, findings) for c in claims]
    judged = [_doubted(r, null_broke, doubts) for r in judged]
    checks = [_ssim_check(attacks, evidence, gates), _reid_check(attacks, gates)]
    if broke := [f for f in attacks if f.details.get("broke") is True]:
        statistic = "a secret of the scheme (its masks or its generator's state) was recovered"
        checks.append(
            GateCheck(
                name="secret", statistic=statistic, measured=Estimate(1.0, n=1), bound=0.0, met=False, by=broke[0].id
            )
        )
    if gates.max_advantage is not None:
        checks.append(_advantage_check(games, gates.max_advantage))
    return judged, _gate(findings, judged, checks, null_broke, doubts, games, gates)


def attack_status(
    finding: Finding, gates: GateOptions | None = None, evidence: Evidence | None = None, attacks: int = 1
) -> tuple[Status, str]:
    """When a single attack is ``broken``: exactly when it alone would make the gate miss.

    Args:
        finding: an attack's finding with the metrics and arrays of `ihaudit.scoring`.
        gates: the bounds; the defaults where None.
        evidence: of the finding; gathered from it alone (without baselines) where None.
        attacks: how many attacks were tried, for the correction of the tests of chance.

    Returns:
        The status (``broken``, ``no break found``, or ``inconclusive`` where nothing was measured) and a sentence.
    """
    gates = gates or GateOptions()
    evidence = evidence or gather([finding], None)[finding.id]
    if finding.details.get("broke") is True:
        return "broken", finding.sentence or "A secret of the scheme was recovered from the release alone."
    value = evidence.quantile(gates.quantile)
    reid, above = finding.metrics.get("reid"), finding.metrics.get("reid_above_chance")
    if value is None or value.value is None:
        return "inconclusive", "Reconstructions could not be scored, so nothing follows."
    by_ssim = value.value > gates.max_ssim and evidence.above_chance(gates.max_ssim, attacks)
    by_reid = _low(above) > gates.max_reid
    share = evidence.share_above(gates.max_ssim)
    parts = []
    if share is not None:
        parts.append(f"{share:.0%} of {value.n} private images scored SSIM above {gates.max_ssim:g}")
    parts.append(f"the {_quantile_name(gates.quantile)} of SSIM is {value.value:.2f} (bound {gates.max_ssim:g})")
    chance = finding.metrics.get("ssim_chance")
    mean = finding.metrics.get("ssim")
    if chance and chance.value is not None and mean and mean.value is not None:
        parts.append(f"mean SSIM {mean.value:.2f}, and {chance.value:.2f} on images that were not encoded")
    if value.value > gates.max_ssim and not by_ssim:
        parts.append("guessing reaches as much on these images, so this is not counted as a recovery")
    if reid and reid.value is not None:
        guess = finding.metrics.get("reid_chance")
        by_chance = f" (by chance {guess.value:.1%})" if guess and guess.value is not None else ""
        parts.append(f"{reid.value:.0%} were re-identified{by_chance}")
    text = "; ".join(parts)
    return ("broken" if by_ssim or by_reid else "no break found"), text[0].upper() + text[1:] + "."


def control_finding(name: str, must_break: bool, parts: Sequence[Finding]) -> Finding:
    """The finding of one control from what the audit's own attacks and games made of it.

    A positive control holds when at least one attack broke it (if attacks were run on it) and at least one game (if games
    were); a null control holds when nothing broke it.

    Args:
        name: of the reference scheme.
        must_break: True for a positive control.
        parts: findings of attacks and games on the control's release, decided with the audit's own code.

    Returns:
        A finding of kind ``control``: status ``broken`` or ``no break found`` where it came out as it must, ``inconclusive``
        where it did not, ``not run`` where no attack or game of this audit addresses it.
    """
    ran = [p for p in parts if p.status not in ("not run", "measured")]
    failed = [p.id for p in ran if p.status == "inconclusive"]
    broke = [p.id for p in ran if p.status == "broken"]
    rows = [[p.id, p.kind, p.status, p.sentence or p.reason] for p in parts]
    details = {
        "control": name,
        "must_break": must_break,
        "broken_by": broke,
        "table": {"columns": ["id", "kind", "status", "what was seen"], "rows": rows},
    }
    wanted = "must come out broken" if must_break else "must not come out broken"
    finding = Finding(
        id=f"control:{name}",
        kind="control",
        title=f"{'Positive' if must_break else 'Null'} control: {name}",
        status="not run",
        reference="same code path as the audit",
        details=details,
    )
    if not ran:
        finding.reason = f"no attack or game of this audit addresses {name}"
        finding.sentence = f"Not run: {finding.reason}."
        return finding
    kinds = {p.kind for p in ran}
    survived = sorted(k for k in kinds if not any(p.kind == k and p.status == "broken" for p in ran))
    held = not survived if must_break else not broke
    if not held:
        finding.status = "inconclusive"
        if must_break:
            what = " and ".join(f"no {k} of this audit breaks" for k in survived)
            finding.reason = f"{name} {wanted}, but {what} it" + (f" ({', '.join(failed)} failed)" if failed else "")
        else:
            finding.reason = f"{name} {wanted}, but {', '.join(broke)} broke it"
        finding.sentence = finding.reason[0].upper() + finding.reason[1:] + "."
    elif must_break:
        finding.status = "broken"
        finding.sentence = f"{name} {wanted}, and did, by {', '.join(broke)}."
    else:
        finding.status = "no break found"
        finding.sentence = f"{name} {wanted}, and did not, by {', '.join(p.id for p in ran)}."
    finding.sentence = finding.sentence[0].upper() + finding.sentence[1:]
    return finding


def regate(results: Results, options: GateOptions, arrays: Mapping[str, NDArray] | None = None) -> Results:
    """Decide again from stored results with other bounds; runs nothing and changes nothing in `results`.

    Args:
        results: as read.
        options: the bounds.
        arrays: arrays.npz by name; without it only the stored quantiles (0.5, 0.9, 1) can be gated.

    Returns:
        A copy with new statuses, claims, gate and ``options["gates"]``.
    """
    new = results.model_copy(deep=True)
    claims = [
        Claim(c.quantity, c.bound, tuple(c.adversary), quantile=c.quantile, target=c.target, delta=c.delta, text=c.text)
        for c in results.claims
    ]
    # A release without a scheme is audited without controls; then their absence was no reason the first time.
    required = bool(results.of_kind("control")) or NO_CONTROLS in results.gate.reasons
    adversary = frozenset(Knowledge(k) for k in results.adversary)
    judged, gate = decide(new.findings, claims, options, adversary, arrays=arrays, controls_required=required)
    new.claims, new.gate = judged, gate
    new.options["gates"] = asdict(options)
    return new


# -- gates ----------------------------------------------------------------------------------------------------------


def _quantile_name(q: float) -> str:
    return "maximum" if q >= 1 else "median" if q == 0.5 else f"{q * 100:g} % quantile"


def _low(e: Estimate | None) -> float:
    return -math.inf if e is None or e.low is None else e.low


def _value(e: Estimate | None) -> float:
    return -math.inf if e is None or e.value is None else e.value


def _ssim_check(attacks: Sequence[Finding], evidence: Mapping[str, Evidence], gates: GateOptions) -> GateCheck:
    check = GateCheck(
        name="ssim",
        statistic=f"{_quantile_name(gates.quantile)} of SSIM over private images, strongest attack",
        bound=gates.max_ssim,
    )
    rows = []
    for f in attacks:
        e = evidence[f.id]
        measured = e.quantile(gates.quantile)
        if measured is not None and measured.value is not None:
            counts = measured.value > gates.max_ssim and e.above_chance(gates.max_ssim, len(attacks))
            rows.append((counts, measured.value, f.id, measured))
    if not rows:
        return check
    # An attack that is above chance comes before one that scores higher by guessing.
    missed, _, check.by, check.measured = max(rows, key=lambda r: (r[0], r[1]))
    check.met = not missed
    return check


def _reid_check(attacks: Sequence[Finding], gates: GateOptions) -> GateCheck:
    check = GateCheck(name="reid", statistic="re-identification above chance, strongest attack", bound=gates.max_reid)
    rows = [(f.metrics["reid_above_chance"], f.id) for f in attacks if "reid_above_chance" in f.metrics]
    rows = [r for r in rows if r[0].value is not None and r[0].low is not None]
    if not rows:
        return check
    check.measured, check.by = max(rows, key=lambda r: _low(r[0]))
    check.met = not _low(check.measured) > gates.max_reid
    return check


def _advantage_check(games: Sequence[Finding], bound: float) -> GateCheck:
    check = GateCheck(
        name="advantage", statistic="advantage of the pre-declared statistic, strongest game", bound=bound
    )
    rows = _advantages(games, bound)
    if rows:
        missed, check.measured, check.by = rows[0]
        check.met = not missed
    return check


def _advantages(games: Sequence[Finding], bound: float) -> list[tuple[bool, Estimate, str]]:
    """(above the bound after Holm's correction, advantage, id) of every game, the strongest evidence first."""
    from scipy.special import ndtr

    rows: list[tuple[Estimate, str]] = []
    for f in games:
        name = f.primary if f.primary in f.metrics and "advantage" in str(f.primary) else "advantage"
        e = f.metrics.get(name)
        if e is not None and e.value is not None and e.low is not None:
            rows.append((e, f.id))
    # A 95 % interval's lower end lies 1.96 standard errors below the value; exact intervals are wider, so p errs upward.
    p = [float(ndtr(-1.96 * (_value(e) - bound) / max(1e-12, _value(e) - _low(e)))) for e, _ in rows]
    adjusted = holm(p)
    out = [(bool(_low(e) > bound and q <= ALPHA), e, id_) for (e, id_), q in zip(rows, adjusted, strict=True)]
    return sorted(out, key=lambda r: (r[0], _low(r[1])), reverse=True)


def _controls(findings: Sequence[Finding], required: bool) -> tuple[list[str], list[str]]:
    """Reasons why a break cannot be believed, and why the absence of one cannot."""
    controls = [f for f in findings if f.kind == "control"]
    null = [f for f in controls if not f.details.get("must_break", True)]
    positive = [f for f in controls if f.details.get("must_break", True)]
    null_broke = [f"{f.id}: {f.reason}" for f in null if f.status == "inconclusive"]
    doubts = [f"{f.id}: {f.reason}" for f in positive if f.status == "inconclusive"]
    if required and not any(f.status in ("broken", "inconclusive") for f in positive):
        doubts.append(NO_CONTROLS)
    return null_broke, doubts


def _gate(
    findings: Sequence[Finding],
    claims: Sequence[ClaimResult],
    checks: list[GateCheck],
    null_broke: list[str],
    doubts: list[str],
    games: Sequence[Finding],
    gates: GateOptions,
) -> Gate:
    missed = [c for c in checks if c.met is False]
    refuted = [c for c in claims if c.status == "refuted"]
    restricted = any(f.requested for f in findings)
    open_ = [f"{c.statistic}: {_why_open(findings, c)}" for c in checks if c.met is None]
    open_ += [
        f"{f.id} was asked for and is {f.status}: {f.reason}"
        for f in findings
        if f.requested and f.kind in ("attack", "game") and f.status in ("not run", "inconclusive")
    ]
    open_ += [
        f"{f.id}: {f.reason}"
        for f in findings
        if not f.requested and f.kind in ("attack", "game") and f.status == "inconclusive"
    ]
    if not restricted:
        open_ += [f"claim not tested: {c.text}: {c.reason}" for c in claims if c.status == "inconclusive"]
    # The check that decided: the first that was missed, else the first that could be decided; SSIM is the first.
    worst = max(reversed(checks), key=lambda c: (c.met is False, c.met is not None))
    worst = next(c for c in checks if (c.met is False, c.met is not None) == (worst.met is False, worst.met is not None))
    gate = Gate(
        status="met",
        exit_code=0,
        statistic=worst.statistic,
        bound=worst.bound,
        measured=worst.measured,
        by=worst.by,
        checks=checks,
        reasons=null_broke + doubts + list(dict.fromkeys(open_)),
    )
    figure = f"{worst.statistic}: {worst.measured} against a bound of {worst.bound:g}"
    by = f" ({worst.by})" if worst.by else ""
    if null_broke and (missed or refuted):
        gate.status, gate.exit_code = "inconclusive", 3
        gate.sentence = (
            f"Inconclusive: a break was measured, but a null control came out broken as well; {null_broke[0]}."
        )
    elif missed:
        gate.status, gate.exit_code = "missed", 1
        gate.sentence = f"Gate missed: {figure}{by}."
    elif refuted:
        gate.status, gate.exit_code = "met", 1
        gate.sentence = f"The gate is met, but a claim is refuted: {refuted[0].text}; measured {refuted[0].measured}."
    elif gate.reasons:
        gate.status, gate.exit_code = "inconclusive", 3
        gate.sentence = f"Inconclusive: {gate.reasons[0]}."
    else:
        gate.sentence = (
            f"Gate met: no break found by what was tried; {figure}{by}. This proves nothing about other attacks."
        )
    if refuted and missed and gate.exit_code == 1:
        gate.sentence += f" {len(refuted)} of {len(claims)} claims refuted."
    if gates.max_advantage is None and gate.exit_code == 0 and (loud := [f.id for f in games if f.status == "broken"]):
        gate.sentence += f" Games do not gate unless --max-advantage is given; broken: {', '.join(loud)}."
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
        return "needs decoys, images like the private ones that were not encoded (--similar)"
    return f"no {kind} measured it"


# -- claims ---------------------------------------------------------------------------------------------------------


def _claim(
    claim: Claim,
    attacks: Sequence[Finding],
    games: Sequence[Finding],
    evidence: Mapping[str, Evidence],
    findings: Sequence[Finding],
) -> ClaimResult:
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
    if claim.quantity == "ssim":
        for f in able:
            e = evidence[f.id].quantile(claim.quantile)
            if e is not None and e.value is not None:
                above = _low(e) > claim.bound and evidence[f.id].above_chance(claim.bound, len(able))
                rows.append((above, e, f.id))
    elif claim.quantity == "reid":
        found = [(f.metrics.get("reid_above_chance"), f.id) for f in able]
        rows = [(_low(e) > claim.bound, e, id_) for e, id_ in found if e is not None and e.value is not None]
    elif claim.quantity == "advantage":
        rows = _advantages(able, claim.bound)
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
        why = f"; for instance {left_out[0].id}: {left_out[0].reason}" if left_out else ""
        result.reason = f"no {kind} that this adversary can run measured it{why}"
        return result
    refuted, result.measured, result.by = max(rows, key=lambda r: (r[0], _low(r[1]), _value(r[1])))
    result.status = "refuted" if refuted else "not refuted"
    if not refuted and _value(result.measured) > claim.bound:
        result.reason = (
            "the measured value lies above the bound, but its interval does not, or guessing reaches as much"
        )
    return result


def _bears_on(finding: Finding, claim: Claim) -> bool:
    """Whether the claim's adversary could run it, and the claim is about it."""
    if not {Knowledge(k) for k in finding.needs} <= claim.adversary:
        return False
    return claim.target is None or claim.target in (finding.id, finding.id.partition(":")[0])


def _doubted(result: ClaimResult, null_broke: list[str], doubts: list[str]) -> ClaimResult:
    """A claim's verdict where controls failed: no refutation without a quiet null control, no survival without a break."""
    if result.status == "refuted" and null_broke:
        return result.model_copy(update={"status": "inconclusive", "reason": null_broke[0]})
    if result.status == "not refuted" and doubts:
        return result.model_copy(update={"status": "inconclusive", "reason": doubts[0]})
    return result
