"""The first line of a verdict where the gate's word alone would mislead: something came out broken, and no gate saw it.

Command line, HTML, PDF, Markdown, JUnit and SARIF all print this sentence, and none makes one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from ihaudit.figures import scaled
from ihaudit.results import Finding, Gate, GateCheck, Kind, Results
from ihaudit.stats import Estimate

#: What can come out broken beside the gate: an attack that does misses it, and marginal tests hold no verdict.
KINDS: tuple[Kind, ...] = ("game", "check", "observation")

#: The check of ``--strict``.
STRICT = "strict"


def ungated(findings: Sequence[Finding], checks: Sequence[GateCheck]) -> list[Finding]:
    """What came out broken although no check of the gate rests on it, the strongest advantage first.

    Args:
        findings: of the audit, with their statuses.
        checks: of the gate; where advantages are gated (``--max-advantage``) games that measure one are left to it.
    """
    advantages = any(c.name == "advantage" for c in checks)
    named = {c.by for c in checks if c.name != STRICT and c.met is False}
    found = [
        f
        for f in findings
        if f.kind in KINDS
        and f.status == "broken"
        and f.id not in named
        and not (advantages and f.kind == "game" and "advantage" in f.metrics)
    ]
    return sorted(found, key=lambda f: (KINDS.index(f.kind), -_advantage(f)))


def strict_check(findings: Sequence[Finding], checks: Sequence[GateCheck]) -> GateCheck:
    """``--strict``: missed where anything came out broken that no other check rests on."""
    found = ungated(findings, checks)
    return GateCheck(
        name=STRICT,
        statistic="games, checks and observations that came out broken (--strict)",
        measured=Estimate(float(len(found)), n=max(1, len(found))),
        bound=0.0,
        met=not found,
        by=found[0].id if found else None,
    )


def outcome(gate: Gate) -> str:
    """How the audit ended, and the exit code: a refuted claim is called so where no bound of the gate was crossed."""
    refuted = gate.exit_code == 1 and bool(gate.checks) and all(c.met is not False for c in gate.checks)
    return f"{'claim refuted' if refuted else f'gate {gate.status}'} (exit code {gate.exit_code})"


def warning(results: Results) -> str:
    """The sentence for stored results; empty where the gate's own word says it all."""
    return results.gate.warning or sentence(results.gate, results.findings)


def sentence(gate: Gate, findings: Sequence[Finding]) -> str:
    """One sentence that says both: how the gate came out, and what is broken all the same.

    Empty where the gate was missed, where nothing came out broken, and where a null control did, which makes the word
    worthless.
    """
    found = [] if gate.exit_code == 1 else ungated(findings, gate.checks)
    controls = [f for f in findings if f.kind == "control" and f.status == "inconclusive"]
    if not found or not all(f.details.get("must_break", True) for f in controls):
        return ""
    first = found[0]
    named = f"“{first.title}” came out broken{_figure(first)}"
    if len(found) > 1:
        named = f"{_counted(found)} came out broken, first of all “{first.title}”{_figure(first)}"
    if gate.exit_code == 0:
        return (
            f"Gate met, yet {named}: the encodings give something away although no attack that ran rebuilt the "
            "images up to the bound; exit code 0 all the same, because games and checks gate with --strict only."
        )
    return (
        f"Inconclusive as a whole, yet {named}: the encodings give something away, whatever else could not be "
        "decided (--strict makes this exit code 1)."
    )


def _advantage(f: Finding) -> float:
    e = f.metrics.get("advantage")
    return -1.0 if e is None or e.low is None else e.low


def _figure(f: Finding) -> str:
    e = f.metrics.get("advantage")
    if e is None or e.value is None:
        return ""
    return f" (advantage {scaled(e.value)}, where 0 is guessing and 1 is certainty)"


def _counted(found: Sequence[Finding]) -> str:
    """``3 games and 1 check``."""
    counts = [(sum(f.kind == k for f in found), k) for k in KINDS]
    parts = [f"{n} {k}{'s' if n > 1 else ''}" for n, k in counts if n]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
