"""Two results side by side, for a reviewer who asks whether a change of the scheme helped, and for CI.

What counts as worse: a looser bound, a worse exit code, a finding that came out broken and had not, a claim that is
refuted and was not, a finding that only one side has measured, and a gated metric that rose by more than the slack to
an interval that lies wholly above the old value (`RULE`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ihaudit import registry
from ihaudit.errors import UsageError
from ihaudit.results import Finding, Results
from ihaudit.stats import Estimate

#: When a change of a gated metric counts, as the help and the output say it.
RULE = (
    "a gated metric counts as worse where it rose by more than the slack and its 95 % interval lies above the old value"
)

#: What coverage is counted in; baselines and the like hold no verdict.
COVERED = ("attack", "game", "check", "control")
_RAN = ("broken", "no break found", "measured")


@dataclass(frozen=True)
class Row:
    """One metric that both sides measured.

    Attributes:
        finding, metric: whose.
        before, after: the two estimates, with values.
        change: after - before.
        note: ``worse``, ``within its interval`` (it rose by more than the slack, which says nothing), or empty.
    """

    finding: str
    metric: str
    before: Estimate
    after: Estimate
    change: float
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """Two audits side by side.

    Attributes:
        rows: of metrics.
        differences: what else differs, in sentences, without being worse: code, parameters, a stricter bound.
        worse: what is worse, in sentences; not empty is exit code 1.
        slack: as given.
    """

    rows: tuple[Row, ...]
    differences: tuple[str, ...]
    worse: tuple[str, ...]
    slack: float

    def as_json(self) -> dict[str, Any]:
        """JSON-able; numbers are numbers."""
        return asdict(self) | {"rule": RULE}


def compare(before: Results, after: Results, slack: float) -> Comparison:
    """Compare two audits.

    Args:
        before: the baseline, and `after`: the new results; both decided by their findings.
        slack: change for the worse of a gated metric that is tolerated.

    Raises:
        UsageError: scheme, seed, images, SSIM settings, profile or adversary differ, so that numbers cannot be
            compared.
    """
    refuse_unlike(before, after)
    rows, worse = _metrics(before, after, slack)
    differences = _about(before, after)
    looser, stricter = _bounds(before, after)
    worse = [*looser, *_verdict(before, after), *_coverage(before, after), *_statuses(before, after), *worse]
    return Comparison(tuple(rows), tuple(differences + stricter), tuple(worse), slack)


def refuse_unlike(before: Results, after: Results) -> None:
    """Raise where a comparison would mean nothing.

    Raises:
        UsageError: names the first difference.
    """
    for name, a, b in (
        ("scheme", before.scheme.name, after.scheme.name),
        ("kind of results", *(str(r.options.get("kind", "audit")) for r in (before, after))),
        ("SSIM settings", before.environment.ssim, after.environment.ssim),
        ("profile", before.profile, after.profile),
        ("seed", before.seed, after.seed),
        ("number of private images", before.private and before.private.count, after.private and after.private.count),
        ("private images", *_digests(before, after)),
        ("adversary's knowledge", sorted(before.adversary), sorted(after.adversary)),
    ):
        if a != b:
            # --write-baseline does not put one scheme in the place of another, so it is no remedy there.
            remedy = (
                "name the baseline of this scheme, or a file that does not exist yet with --write-baseline"
                if name == "scheme"
                else "run both alike, or renew the baseline with --write-baseline"
            )
            raise UsageError(f"the two audits cannot be compared: {name} was {a!r} and is {b!r}; {remedy}")


def _digests(before: Results, after: Results) -> tuple[str, str]:
    a, b = (r.private.sha256[:12] if r.private else "" for r in (before, after))
    return a, b


def _about(before: Results, after: Results) -> list[str]:
    """What else is not the same, and may explain a difference."""
    found = []
    if before.scheme.sha256 != after.scheme.sha256:
        found.append("the scheme's code has changed")
    old, new = before.scheme.parameters, after.scheme.parameters
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            found.append(f"parameter {name} was {old.get(name)!r} and is {new.get(name)!r}")
    for name, a, b in (
        ("ihaudit", before.environment.ihaudit, after.environment.ihaudit),
        ("device", before.environment.device, after.environment.device),
    ):
        if a != b:
            found.append(f"{name} was {a} and is {b}")
    return found


def _bounds(before: Results, after: Results) -> tuple[list[str], list[str]]:
    """(bounds that are looser, those that are otherwise different): a gate that gives way is a change for the worse."""
    looser: list[str] = []
    other: list[str] = []
    old, new = (r.options.get("gates") or {} for r in (before, after))
    for name in dict.fromkeys([*old, *new]):
        a, b = old.get(name), new.get(name)
        if a == b:
            continue
        # A lower quantile asks less of the scheme; no bound, or no --strict, asks nothing.
        falls = name in ("quantile", "strict")
        gave_way = (b is None) or (a is not None and (b < a if falls else b > a))
        text = f"bound {name} was {a!r} and is {b!r}"
        (looser if gave_way else other).append(text + (", which is looser" if gave_way else ""))
    claims = [{(c.quantity, c.quantile, c.target, c.delta): c.bound for c in r.claims} for r in (before, after)]
    for key, a in claims[0].items():
        b = claims[1].get(key)
        if b is None:
            looser.append(f"the claim on {key[0]} is gone (bound {a:g})")
        elif b > a:
            looser.append(f"the claim on {key[0]} was {a:g} and is {b:g}, which is looser")
    return looser, other


def _verdict(before: Results, after: Results) -> list[str]:
    found = []
    if after.gate.exit_code not in (0, before.gate.exit_code):
        found.append(f"the gate was {before.gate.status} and is {after.gate.status} (exit code {after.gate.exit_code})")
    old = {c.text: c.status for c in before.claims}
    for c in after.claims:
        if c.status == "refuted" and old.get(c.text) != "refuted":
            found.append(f"refuted, and was not: {c.text}")
    return found


def _coverage(before: Results, after: Results) -> list[str]:
    """What only one of the two has measured: what was not looked at has not stayed as it was."""
    old, new = _measured(before), _measured(after)
    gone = [f"{k} was {f.status} and is {_now(after, k)}" for k, f in old.items() if k not in new]
    come = [
        f"{k} is {f.status} and was {_now(before, k)} in the baseline (--write-baseline takes it up)"
        for k, f in new.items()
        if k not in old
    ]
    return gone + come


def _measured(results: Results) -> dict[str, Finding]:
    return {f.id: f for f in results.of_kind(*COVERED) if f.status in _RAN}


def _now(results: Results, id_: str) -> str:
    finding = results.finding(id_)
    return (
        "missing" if finding is None else f"{finding.status} ({finding.reason})" if finding.reason else finding.status
    )


def _statuses(before: Results, after: Results) -> list[str]:
    old = {f.id: f.status for f in before.findings}
    return [
        f"{f.id} came out broken, and had not"
        for f in after.of_kind("attack", "game", "check", "observation")
        if f.status == "broken" and old.get(f.id) in ("no break found", "measured")
    ]


def _metrics(before: Results, after: Results, slack: float) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    worse: list[str] = []
    for new in after.findings:
        old = before.finding(new.id)
        if old is None or new.kind == "control":
            continue
        for metric, y in new.metrics.items():
            x = old.metrics.get(metric)
            if x is None or x.value is None or y.value is None:
                continue
            change = y.value - x.value
            known = registry.load("metric").get(metric)
            note = ""
            if known is not None and known.gated and new.kind in ("attack", "game"):
                if known.higher_is_better:
                    rise, separated = change, y.low is None or y.low > x.value
                else:
                    rise, separated = -change, y.high is None or y.high < x.value
                if rise > slack:
                    note = "worse" if separated else "within its interval"
            rows.append(Row(new.id, metric, x, y, change, note))
            if note == "worse":
                worse.append(f"{new.id} {metric} {change:+.3f}")
    return rows, worse
