"""Controls: what their outcome says about how far this audit can be believed."""

from __future__ import annotations

from collections.abc import Sequence

from ihaudit.contracts.control import Control
from ihaudit.contracts.traits import FORMS, Traits
from ihaudit.results import Finding

NO_CONTROLS = "no positive control ran, so that nothing shows the attacks of this audit to work"

NO_NULLS = (
    "no null control ran, so that nothing shows the attacks and games of this audit to be quiet where nothing leaks"
)

NO_TRUTH = "the release came without its private images, so no reconstruction could be compared with the truth"


def control_finding(control: Control, traits: Traits, parts: Sequence[Finding], failure: str = "") -> Finding:
    """The finding of one control from what the audit's own attacks and games made of it.

    A positive control holds when at least one attack broke it (if attacks were run on it) and at least one game (if
    games were; not asked of siblings, whose purpose is the attacks); a null control holds when nothing broke it.

    Args:
        control: which.
        traits: of the audited scheme.
        parts: findings of attacks and games on the control's release, decided with the audit's own code.
        failure: why nothing could be run on it.

    Returns:
        A finding of kind ``control``: status ``broken`` or ``no break found`` where it came out as it must,
        ``inconclusive`` where it did not, ``not run`` where no attack or game of this audit addresses it.
    """
    name, must_break = control.id, control.must_break
    ran = [p for p in parts if p.status not in ("not run", "measured")]
    if must_break:
        # An attack on a secret that identity and mixup do not have cannot break them, and is not expected to.
        ran = [p for p in ran if not (p.details.get("broke") is False and "ssim" not in p.metrics)]
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
    if failure:
        finding.status, finding.reason = "inconclusive", f"{name} could not be audited: {failure}"
        finding.sentence = finding.reason[0].upper() + finding.reason[1:] + "."
        return finding
    if not ran and not control.sibling:
        finding.reason = f"no attack or game of this audit addresses {name}"
        finding.sentence = f"Not run: {finding.reason}."
        return finding
    kinds = {p.kind for p in ran}
    survived: list[str] = sorted(k for k in kinds if not any(p.kind == k and p.status == "broken" for p in ran))
    if control.sibling:
        if not any(p.kind == "attack" for p in ran):
            survived = [] if broke else ["attack or game"]
        else:
            survived = [k for k in survived if k == "attack"]
    held = not survived if must_break else not broke
    if not held:
        finding.status = "inconclusive"
        if control.sibling:
            tried = "was run on" if not ran else "broke"
            finding.details["untried"] = not ran
            finding.reason = (
                f"no {survived[0]} of this audit {tried} {control.words} of {traits.size}, which is known to break; "
                f"the scheme’s {FORMS[traits.form]} are of that kind, so that none breaks it shows nothing"
            )
        elif must_break:
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


def control_doubts(findings: Sequence[Finding], required: bool) -> tuple[list[str], list[str]]:
    """Reasons why a break cannot be believed, and why the absence of one cannot."""
    controls = [f for f in findings if f.kind == "control"]
    null = [f for f in controls if not f.details.get("must_break", True)]
    positive = [f for f in controls if f.details.get("must_break", True)]
    null_broke = [f"{f.id}: {f.reason}" for f in null if f.status == "inconclusive"]
    doubts = [f"{f.id}: {f.reason}" for f in positive if f.status == "inconclusive"]
    if required and not any(f.status in ("broken", "inconclusive") for f in positive):
        doubts.append(NO_CONTROLS)
    return null_broke, doubts


def coverage_doubts(findings: Sequence[Finding]) -> list[str]:
    """Why an audit in which nothing was missed is still no answer: too little of it addressed the scheme.

    A gate is met only by at least one attack and one game that ran on the scheme, each kind of which broke a positive
    control of the same audit, and where a null control ran.

    Args:
        findings: of the audit, with their statuses.
    """
    doubts = []
    controls = [f for f in findings if f.kind == "control"]
    proven = {kind for f in controls if f.status == "broken" for kind in _broken_kinds(f)}
    for kind in ("attack", "game"):
        tried = [f for f in findings if f.kind == kind]
        if not any(f.status in ("broken", "no break found") for f in tried):
            doubts.append(f"no {kind} addressed the scheme{_why_none(kind, tried)}")
        elif controls and kind not in proven:
            doubts.append(f"no {kind} of this audit broke a positive control, so that its quiet {kind}s say nothing")
    ran = {f.status for f in controls if not f.details.get("must_break", True)}
    if not ran - {"not run"}:
        doubts.append(NO_NULLS)
    return doubts


def _broken_kinds(control: Finding) -> set[str]:
    """``attack`` and ``game``, whichever broke the control."""
    return {row[1] for row in control.details["table"]["rows"] if row[2] == "broken"}


def _why_none(kind: str, tried: Sequence[Finding]) -> str:
    """The reason that most of them have, and the remedy."""
    if not tried:
        return f" (--{kind} names some, and without it all that fit are run)"
    reasons = [f.reason for f in tried if f.reason]
    if not reasons:
        return ""
    most = max(dict.fromkeys(reasons), key=reasons.count)
    return f": {most}"
