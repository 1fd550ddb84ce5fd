"""report.sarif: SARIF 2.1.0 for code scanning; every result points at the line of the scheme that is at fault."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

from ihaudit.contracts.format import Source, report_format
from ihaudit.report import words
from ihaudit.report.ci import check_text, claim_text, text_of
from ihaudit.report.plain import printable
from ihaudit.results import Finding, Results
from ihaudit.verdict import headline

#: Where the theorems and the attack that most rules rest on are published.
PAPER = "https://arxiv.org/abs/2011.05315"

#: Stable rule ids: never renumber, never reuse.  Name, short description, full description, what to do.
RULES = {
    "IH101": (
        "GateMissed",
        "A gate of the audit was missed",
        "A figure that was measured lies beyond the bound that this build sets: the share of private images that an "
        "attack rebuilds, re-identifies or finds in a released field, or a secret of the scheme that was recovered.",
        "Look at the reconstructions in report.html. Change what the named attack rests on, or do not release; a "
        "larger bound accepts the leak.",
    ),
    "IH102": (
        "ClaimRefuted",
        "A claim of the scheme's author was refuted",
        "The scheme's own claim names a bound for an adversary, and such an adversary exceeded it, with its interval.",
        "Weaken the claim to what was measured, or change the scheme until the same attack stays below the bound.",
    ),
    "IH103": (
        "ReconstructionAttack",
        "An attack rebuilt private images, or undid the encoding, beyond its bound",
        "From what is released, and what the claim's adversary knows, the attack answered with images that come closer "
        "to the private ones than guessing does.",
        "The finding says what the attack used. Treat the encodings as the images until it no longer succeeds.",
    ),
    "IH104": (
        "DistinguishingGame",
        "A distinguishing game was won beyond its bound",
        "The adversary of a game of Carlini et al. tells encodings of images of its choice apart, which is what the "
        "theorems of that paper turn into attacks.",
        "No bound on reconstructions follows from a game, and no privacy from a lost one. Find out what tells the "
        "encodings apart: labels, lengths, a key that is used twice.",
    ),
    "IH105": (
        "CheckFailed",
        "A check of what the scheme declares or publishes failed",
        "What the scheme does is not what it declares (key, randomness, independence of rows), or a released field "
        "holds private images as they are.",
        "Correct the declaration or the code at the line; figures of the audit go by what was measured.",
    ),
    "IH106": (
        "ObservationBroken",
        "An observation beside attacks and games shows a leak",
        "Something that was measured beside attacks and games came out broken.",
        "Read the finding in report.html.",
    ),
    "IH107": (
        "NoRefutableClaim",
        "The scheme makes no claim that a measurement could refute",
        "Without a claim the default gate and adversary were applied, which may not be what the scheme promises.",
        'State one in the scheme\'s class, such as `claims = (Claim("ssim", 0.3, quantile=0.9),)`.',
    ),
    "IH108": (
        "BrokenBesideTheGate",
        "Something came out broken although the gate was not missed",
        "A game, check or observation came out broken, on which no gate rests.",
        "Use `--strict`, or `--max-advantage`, where this should fail the build.",
    ),
}
_LEVEL = {"IH107": "note", "IH108": "warning"}
_SEVERITY = {id_: {"note": "recommendation"}.get(_LEVEL.get(id_, "error"), _LEVEL.get(id_, "error")) for id_ in RULES}
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
        # One category for each audited setting, so that the runs of a sweep do not close each other's alerts.
        "automationDetails": {"id": f"ihaudit/{_category(r)}/{r.environment.started or r.seed}"},
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


def _category(r: Results) -> str:
    """Scheme, profile and the parameters that were set: ``instahide/quick/k=4``."""
    sets = [str(s) for s in r.options.get("sets") or ()]
    return "/".join(quote(printable(part), safe="=,") for part in (r.scheme.name, r.profile, *sorted(sets)))


def _utc(stamp: str) -> str | None:
    """SARIF wants UTC with a Z; our stamps are UTC with an offset."""
    return stamp[:19] + "Z" if len(stamp) >= 19 and stamp.endswith(("+00:00", "Z")) else None


def _driver(r: Results) -> dict[str, Any]:
    rules = [
        {
            "id": id_,
            "name": name,
            "shortDescription": {"text": text},
            "fullDescription": {"text": full},
            "help": {"text": f"{full} {remedy}", "markdown": f"{full}\n\n**What to do.** {remedy}"},
            "helpUri": PAPER,
            "defaultConfiguration": {"level": _LEVEL.get(id_, "error")},
            "properties": {"tags": ["privacy", "security"], "precision": "high", "problem.severity": _SEVERITY[id_]},
        }
        for id_, (name, text, full, remedy) in RULES.items()
    ]
    return {
        "name": "ihaudit",
        "informationUri": PAPER,
        "version": r.environment.ihaudit,
        "semanticVersion": r.environment.ihaudit,
        "rules": rules,
    }


def _results(r: Results) -> list[dict[str, Any]]:
    found = []
    if warned := headline.warning(r):
        found.append(_result(r, "IH108", "warning", warned, ("class",), level="warning"))
    for check in r.gate.checks:
        if check.met is False:
            found.append(_result(r, "IH101", check.name, f"{check_text(r, check)}.", _fault(r, check.by)))
    for i, claim in enumerate(r.claims):
        if claim.status == "refuted":
            text = f"Claim refuted: {claim_text(r, claim)}"
            key = f"{claim.quantity}:{claim.bound:g}:{'+'.join(sorted(claim.adversary))}"
            found.append(_result(r, "IH102", key, text, (f"claims[{i}]", "claims")))
    if not r.claims:
        text = "The scheme makes no claim that a measurement could refute; default gates were applied."
        found.append(_result(r, "IH107", "claims", text, ("claims",), level="note"))
    for f in r.findings:
        if f.status == "broken" and f.kind in _RULE_OF_KIND:
            # Where the gate is met a broken finding is a warning: one statistic decides about errors.
            level = "error" if r.gate.exit_code == 1 else "warning"
            text = f"{f.title}: {text_of(f)}"
            found.append(_result(r, _RULE_OF_KIND[f.kind], f.id, text, _fault(r, f.id), level=level))
    return found


def _fault(r: Results, by: str | None) -> tuple[str, ...]:
    """Names whose line is at fault for a finding, the nearest first.

    A check is at the declaration of its name (``checks-key`` at ``key``), a recovered generator at the parameter that
    chooses it; an attack or game at the claim that it refutes, else where images are encoded.
    """
    id_ = by or ""
    names = [id_.removeprefix("checks-")] if id_.startswith("checks-") else []
    if id_.startswith("prng"):
        names += [n for n in r.scheme.parameters if n in ("rng", "generator", "prng", "seed")]
    names += [f"claims[{i}]" for i, c in enumerate(r.claims) if c.status == "refuted" and c.by == by]
    return (*names, "encode")


def _result(r: Results, rule: str, key: str, text: str, names: tuple[str, ...], level: str = "error") -> dict[str, Any]:
    # The fingerprint names rule, scheme and finding but no number, so that a re-run updates an alert instead of
    # opening one.
    where = r.scheme.path or r.scheme.name
    digest = hashlib.sha256(f"{rule}|{r.scheme.name}|{where}|{key}".encode("utf-8", "replace")).hexdigest()
    return {
        "ruleId": rule,
        "ruleIndex": list(RULES).index(rule),
        "level": level,
        "message": {"text": printable(text)},
        "locations": [_location(r, names)],
        # Alerts are told apart by the second; two of one line and rule would be merged without it.
        "partialFingerprints": {"ihaudit/v1": digest, "primaryLocationLineHash": f"{digest[:16]}:1"},
    }


def _location(r: Results, names: tuple[str, ...]) -> dict[str, Any]:
    """A line of the scheme's file; a reference scheme is no file of the repository, and is named instead."""
    if not r.scheme.path:
        return {"logicalLocations": [{"name": printable(r.scheme.name), "kind": "type"}]}
    line = next((r.scheme.lines[n] for n in names if n in r.scheme.lines), r.scheme.line)
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(r.scheme.path), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": max(1, line)},
        }
    }


def _notification(f: Finding) -> dict[str, Any]:
    asked = f.requested or f.kind == "control" or f.status == "inconclusive"
    return {
        "descriptor": {"id": f"{f.kind}/{f.id}"},
        "level": "error" if asked else "note",
        "message": {"text": printable(f"{f.title}: {f.status}. {words.sentence(f.reason)}".strip())},
    }
