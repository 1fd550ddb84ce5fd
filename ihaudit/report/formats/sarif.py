"""report.sarif: SARIF 2.1.0 for code scanning; every result points at the scheme's class."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ihaudit.contracts.format import Source, report_format
from ihaudit.report import words
from ihaudit.report.ci import check_text, claim_text, text_of
from ihaudit.report.plain import printable
from ihaudit.results import Finding, Results
from ihaudit.verdict import headline

#: Stable rule ids: never renumber, never reuse.
RULES = {
    "IH101": ("GateMissed", "A gate of the audit was missed"),
    "IH102": ("ClaimRefuted", "A claim of the scheme's author was refuted"),
    "IH103": ("ReconstructionAttack", "An attack rebuilt private images, or undid the encoding, beyond its bound"),
    "IH104": ("DistinguishingGame", "A distinguishing game was won beyond its bound"),
    "IH105": ("CheckFailed", "A check of what the scheme declares or publishes failed"),
    "IH106": ("ObservationBroken", "An observation beside attacks and games shows a leak"),
    "IH107": ("NoRefutableClaim", "The scheme makes no claim that a measurement could refute"),
    "IH108": ("BrokenBesideTheGate", "Something came out broken although the gate was not missed"),
}
_LEVEL = {"IH107": "note", "IH108": "warning"}
_RULE_OF_KIND = {
    "attack": "IH103",
    "game": "IH104",
    "marginal": "IH104",
    "check": "IH105",
    "observation": "IH106",
    "utility": "IH106",
}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@report_format("sarif", "report.sarif")
def render(source: Source) -> str:
    """SARIF: results for what came out broken; notifications for what did not run or was inconclusive.

    ``invocations[0].executionSuccessful`` is false when something that was asked for did not run, a control did not
    come out as it must, or the audit is inconclusive as a whole: then a short list of results is no clean bill.
    """
    r = source.results
    notifications = [_notification(f) for f in r.findings if f.status in ("not run", "inconclusive")]
    complete = r.gate.exit_code in (0, 1) and not any(f.status == "not run" and f.requested for f in r.findings)
    run: dict[str, Any] = {
        "tool": {"driver": _driver(r)},
        "invocations": [
            {
                "executionSuccessful": complete,
                "exitCode": r.gate.exit_code,
                "commandLine": printable(r.environment.command),
                "toolExecutionNotifications": notifications,
                **({"startTimeUtc": t} if (t := _utc(r.environment.started)) else {}),
                **({"endTimeUtc": t} if (t := _utc(r.environment.finished)) else {}),
            }
        ],
        "results": _results(r),
        "properties": {
            "seed": r.seed,
            "profile": r.profile,
            "verdict": words.verdict_word(r),
            "schemeSha256": r.scheme.sha256,
            "packages": r.environment.packages,
        },
    }
    if not run["invocations"][0]["commandLine"]:
        del run["invocations"][0]["commandLine"]
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _utc(stamp: str) -> str | None:
    """SARIF wants UTC with a Z; our stamps are UTC with an offset."""
    return stamp[:19] + "Z" if len(stamp) >= 19 and stamp.endswith(("+00:00", "Z")) else None


def _driver(r: Results) -> dict[str, Any]:
    rules = [
        {
            "id": id_,
            "name": name,
            "shortDescription": {"text": text},
            "defaultConfiguration": {"level": _LEVEL.get(id_, "error")},
            "properties": {"tags": ["privacy", "security"]},
        }
        for id_, (name, text) in RULES.items()
    ]
    return {
        "name": "ihaudit",
        "version": r.environment.ihaudit,
        "semanticVersion": r.environment.ihaudit,
        "rules": rules,
    }


def _results(r: Results) -> list[dict[str, Any]]:
    found = []
    if warned := headline.warning(r):
        found.append(_result(r, "IH108", "warning", warned, level="warning"))
    for check in r.gate.checks:
        if check.met is False:
            found.append(_result(r, "IH101", check.name, f"{check_text(r, check)}."))
    for claim in r.claims:
        if claim.status == "refuted":
            text = f"Claim refuted: {claim_text(r, claim)}"
            found.append(
                _result(r, "IH102", f"{claim.quantity}:{claim.bound:g}:{'+'.join(sorted(claim.adversary))}", text)
            )
    if not r.claims:
        text = "The scheme makes no claim that a measurement could refute; default gates were applied."
        found.append(_result(r, "IH107", "claims", text, level="note"))
    for f in r.findings:
        if f.status == "broken" and f.kind in _RULE_OF_KIND:
            # Where the gate is met a broken finding is a warning: one statistic decides about errors.
            level = "error" if r.gate.exit_code == 1 else "warning"
            found.append(_result(r, _RULE_OF_KIND[f.kind], f.id, f"{f.title}: {text_of(f)}", level=level))
    return found


def _result(r: Results, rule: str, key: str, text: str, level: str = "error") -> dict[str, Any]:
    # The fingerprint names rule, scheme and finding but no number, so that a re-run updates an alert instead of
    # opening one.
    digest = hashlib.sha256(
        f"{rule}|{r.scheme.name}|{uri(r.scheme.source)}|{key}".encode("utf-8", "replace")
    ).hexdigest()
    return {
        "ruleId": rule,
        "ruleIndex": list(RULES).index(rule),
        "level": level,
        "message": {"text": printable(text)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri(r.scheme.source)},
                    "region": {"startLine": max(1, r.scheme.line)},
                }
            }
        ],
        "partialFingerprints": {"ihaudit/v1": digest},
    }


def uri(source: str) -> str:
    """The scheme's file as code scanning wants it: relative to the working folder where it lies under it."""
    path, colon, name = source.rpartition(":")
    file = path if colon and path.endswith(".py") and name.isidentifier() else source
    if not file.endswith(".py"):
        return f"ihaudit/schemes/{quote(file.replace('-', '_'))}.py"  # a reference scheme, by its name
    p = Path(file)
    if p.is_absolute():
        try:
            p = p.relative_to(Path.cwd())
        except ValueError:
            return "file://" + quote(p.as_posix())
    return quote(p.as_posix())


def _notification(f: Finding) -> dict[str, Any]:
    asked = f.requested or f.kind == "control" or f.status == "inconclusive"
    return {
        "descriptor": {"id": f"{f.kind}/{f.id}"},
        "level": "error" if asked else "note",
        "message": {"text": printable(f"{f.title}: {f.status}. {words.sentence(f.reason)}".strip())},
    }
