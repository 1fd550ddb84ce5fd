"""What JUnit, SARIF and Markdown share: each finding, claim and gate as a build server sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ihaudit.report import words
from ihaudit.results import Finding, GateCheck, Results
from ihaudit.verdict import headline

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
    """A gated statistic in one line."""
    measured = f"{words.estimate(check.measured)}{words.by(results, check.by)}"
    return f"{check.statistic}: {measured}; bound {words.number(check.bound)}"


def _finding_case(finding: Finding, exit_code: int) -> Case:
    """Never red where the gate is met, never green where it could not be decided: one statistic drives everything."""
    message, outcome = text_of(finding), "ok"
    if finding.status == "broken" and finding.kind == "control":
        outcome = "ok"  # as it must; a control that did not come out right is inconclusive
    elif finding.status == "broken":
        outcome = "failure" if exit_code == 1 else "skipped"
        message = message if exit_code == 1 else f"broken, but no bound that gates here was crossed. {message}"
    elif finding.status == "not run":
        outcome = "error" if finding.requested and exit_code != 0 else "skipped"
        message = message if message.lower().startswith("not run") else f"not run: {message}"
    elif finding.status == "inconclusive":
        outcome = "error" if exit_code != 0 else "skipped"
        message = f"inconclusive: {message}"
    return Case(finding.kind, finding.id, finding.title, outcome, message, finding.cost.wall_s)  # type: ignore[arg-type]


def cases(results: Results) -> list[Case]:
    """The gate first, then its checks, the claims, and every finding that is not a mere baseline."""
    gate = results.gate
    word = words.verdict_word(results)
    overall: Outcome = "failure" if word == "broken" else "ok" if word == "no break found" else "error"
    reasons = " ".join(words.sentence(r) for r in gate.reasons)
    found = [
        Case(
            "gate",
            "gate",
            "The audit as a whole",
            overall,
            " ".join(
                x for x in (headline.warning(results), f"{word}: {gate.sentence or gate.statistic}", reasons) if x
            ),
        )
    ]
    if warned := headline.warning(results):
        # Neither failure nor error: the exit code is what it is.  Build servers show a skipped case with its message.
        found.append(
            Case("gate", "gate.warning", "Broken, though no gate rests on it", "skipped", f"warning: {warned}")
        )
    for check in gate.checks:
        state: Outcome = "error" if check.met is None else "ok" if check.met else "failure"
        if state == "error" and gate.exit_code == 0:
            state = "skipped"
        found.append(
            Case("gate", f"gate.{check.name}", check.statistic or check.name, state, check_text(results, check))
        )
    for i, claim in enumerate(results.claims, 1):
        state = {"refuted": "failure", "not refuted": "ok", "inconclusive": "error"}[claim.status]  # type: ignore[assignment]
        if state == "error" and gate.exit_code == 0:
            state = "skipped"
        measured = f"{words.estimate(claim.measured)}{words.by(results, claim.by)}"
        message = f"{claim.status}: {claim.text}; measured {measured}. {claim.reason}".strip()
        found.append(Case("claim", f"claim.{i}.{claim.quantity}", claim.text, state, message))
    verdicts = [f for f in results.findings if f.kind not in ("baseline", "utility")]
    return found + [_finding_case(f, gate.exit_code) for f in verdicts]
