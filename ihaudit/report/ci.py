"""What JUnit, SARIF and Markdown share: each finding, claim and gate as a build server sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ihaudit.report import words
from ihaudit.results import ClaimResult, Finding, GateCheck, Results
from ihaudit.verdict import headline
from ihaudit.verdict.gates import EVENTS

Outcome = Literal["ok", "failure", "error", "skipped"]


@dataclass(frozen=True)
class Case:
    """One thing that a build server lists.

    ``failure``: a bound was crossed; ``error``: it could not be decided; ``skipped``: not run, or a remark without
    weight.
    """

    group: str
    id: str
    title: str
    outcome: Outcome
    message: str
    seconds: float = 0.0


def text_of(finding: Finding) -> str:
    """A finding in one line: its sentence, reason and primary statistic."""
    parts = [words.statement(finding)]
    if (first := words.primary(finding)) and first[1].value is not None:
        m = words.metric(first[0])
        parts.append(f"{m.label}: {words.estimate(first[1], m.unit)}.")
    return " ".join(p for p in parts if p) or finding.status


def check_text(results: Results, check: GateCheck) -> str:
    """A gated statistic in one line, in its unit."""
    if check.name in EVENTS:
        return f"{check.statistic}{words.by(check.by)}"
    unit = words.gate_unit(check.name)
    measured = f"{words.estimate(check.measured, unit)}{words.by(check.by)}"
    return f"{check.statistic}: {measured}; bound {words.scaled(check.bound, unit)}"


def claim_text(results: Results, claim: ClaimResult) -> str:
    """A claim beside its measurement in one line, in its unit."""
    unit = words.gate_unit(claim.quantity)
    measured = f"{words.estimate(claim.measured, unit)}{words.by(claim.by)}" if claim.measured else "nothing"
    parts = (
        f"{claim.text}; bound {words.scaled(claim.bound, unit)}, measured {measured}.",
        words.sentence(claim.reason),
    )
    return " ".join(p for p in parts if p)


@dataclass(frozen=True)
class Fault:
    """What misses the gate: a bound that was crossed, or a claim that was refuted.

    Attributes:
        case: id of the case that fails for it.
        by: the finding that crossed it, or its own case where no finding is named.
        text: in one line.
    """

    case: str
    by: str
    text: str


def faults(results: Results) -> list[Fault]:
    """Every bound that was crossed and claim that was refuted, in order."""
    found = []
    if results.gate.exit_code == 1:
        for check in results.gate.checks:
            if check.met is False:
                case = f"gate.{check.name}"
                found.append(Fault(case, check.by or case, check_text(results, check)))
        for i, claim in enumerate(results.claims, 1):
            if claim.status == "refuted":
                case = f"claim.{i}.{claim.quantity}"
                found.append(Fault(case, claim.by or case, claim_text(results, claim)))
    return found


def _finding_case(finding: Finding, exit_code: int, failing: str | None) -> Case:
    """Never a failure of its own: what crossed a bound fails as the case of that bound, and once."""
    message, outcome = text_of(finding), "ok"
    if finding.status == "broken" and finding.kind == "control":
        outcome = "ok"  # as it must; a control that did not come out right is inconclusive
    elif finding.status == "broken" and failing:
        outcome, message = "skipped", f"broken; counted once, as {failing}. {message}"
    elif finding.status == "broken" and exit_code == 1 and finding.kind == "attack":
        outcome, message = "skipped", f"broken too; the strongest attack is what fails. {message}"
    elif finding.status == "broken":
        outcome, message = "skipped", f"broken, but no bound that gates here was crossed. {message}"
    elif finding.status == "not run":
        outcome = "error" if finding.requested and exit_code == 1 else "skipped"
        message = message if message.lower().startswith("not run") else f"not run: {message}"
    elif finding.status == "inconclusive":
        # Where the audit as a whole is inconclusive its own case is the error, and says why.
        outcome = "error" if exit_code == 1 else "skipped"
        message = f"inconclusive: {message}"
    return Case(finding.kind, finding.id, finding.title, outcome, message, finding.cost.wall_s)  # type: ignore[arg-type]


def cases(results: Results) -> list[Case]:
    """The gate first, then its checks, the claims, and every finding that is not a mere baseline.

    One fault is one failure: each finding that crossed a bound or refuted a claim fails once, as the first bound that
    it crossed; whatever else it crossed is listed as skipped and names that case.
    """
    gate, found_faults = results.gate, faults(results)
    failing: dict[str, str] = {}
    for fault in found_faults:
        failing.setdefault(fault.by, fault.case)
    word = words.verdict_word(results)
    overall: Outcome = "failure" if word == "broken" else "ok" if word == "no break found" else "error"
    text = f"{word}: {gate.sentence or gate.statistic}"
    if failing:
        overall, text = "skipped", f"{text} Counted as {words.listing(list(failing.values()))}."
    reasons = " ".join(words.sentence(r) for r in gate.reasons)
    message = " ".join(x for x in (headline.warning(results), text, reasons) if x)
    found = [Case("gate", "gate", "The audit as a whole", overall, message)]
    if warned := headline.warning(results):
        # Neither failure nor error: the exit code is what it is.  Build servers show a skipped case with its message.
        found.append(
            Case("gate", "gate.warning", "Broken, though no gate rests on it", "skipped", f"warning: {warned}")
        )
    crossed = {f.case: f for f in found_faults}

    def judged(group: str, id_: str, title: str, said: str, state: str) -> Case:
        fault = crossed.get(id_)
        if fault is None:
            return Case(group, id_, title, "ok" if state == "ok" else "skipped", said)
        if failing[fault.by] == id_:
            return Case(group, id_, title, "failure", said)
        return Case(group, id_, title, "skipped", f"{said} The same fault as {failing[fault.by]}, counted there.")

    for check in gate.checks:
        state = "ok" if check.met else "undecided"
        word = words.CHECK_WORD[check.met]
        said = f"{word}: {check_text(results, check)}."
        found.append(judged("gate", f"gate.{check.name}", check.statistic or check.name, said, state))
    for i, claim in enumerate(results.claims, 1):
        state = "ok" if claim.status == "not refuted" else "undecided"
        said = f"{words.CLAIM_WORD[claim.status]}: {claim_text(results, claim)}"
        found.append(judged("claim", f"claim.{i}.{claim.quantity}", claim.text, said, state))
    verdicts = [f for f in results.findings if f.kind not in ("baseline", "utility")]
    return found + [_finding_case(f, gate.exit_code, failing.get(f.id)) for f in verdicts]
