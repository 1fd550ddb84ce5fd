"""JUnit, SARIF and Markdown: in step with the exit code, and safe to hand to other people's programs."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.contracts.format import Source
from ihaudit.report.formats import junit, markdown, sarif
from ihaudit.report.plain import printable
from ihaudit.results import Finding, Gate, Results
from tests.report import synthetic


def with_gate(exit_code: int, **changes: Any) -> Results:
    status = {0: "met", 1: "missed", 3: "inconclusive"}[exit_code]
    results = synthetic.results()
    results.gate = Gate(status=status, exit_code=exit_code, statistic="s", bound=0.5, **changes)  # type: ignore[arg-type]
    results.claims = [c for c in results.claims if exit_code == 1 or c.status != "refuted"]
    return results


def counts(xml: bytes) -> dict[str, int]:
    suite = ET.fromstring(xml).find("testsuite")
    assert suite is not None
    found = {k: len(suite.findall(f"testcase/{k}")) for k in ("failure", "error", "skipped")}
    assert found == {
        k: int(suite.get(a, "-1")) for k, a in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped"))
    }
    assert len(suite.findall("testcase")) == int(suite.get("tests", "-1"))
    return found


@pytest.mark.parametrize("exit_code", [0, 1, 3])
def test_junit_is_red_exactly_when_the_exit_code_is(exit_code: int) -> None:
    found = counts(junit.render(Source(with_gate(exit_code))))
    if exit_code == 0:
        assert found["failure"] == 0 and found["error"] == 0
    if exit_code == 1:
        assert found["failure"] >= 1
    if exit_code == 3:
        assert found["error"] >= 1


def failing(results: Results) -> list[str]:
    root = ET.fromstring(junit.render(Source(results)))
    return [c.get("name", "").split(": ")[0] for c in root.iter("testcase") if c.find("failure") is not None]


def test_one_fault_is_one_failure() -> None:
    results = synthetic.results()  # one attack misses two gates and refutes a claim; games came out broken beside it
    assert failing(results) == ["gate.ssim"]
    results.gate.checks[1].by = "cluster-mean"
    assert failing(results) == ["gate.ssim", "gate.reid"]
    results.gate.checks = []
    assert failing(results) == ["claim.1.ssim"]
    results.claims = []
    assert failing(results) == ["gate"]


STATUSES = st.sampled_from(["broken", "no break found", "inconclusive", "not run", "measured"])
KINDS = st.sampled_from(["attack", "game", "control", "check", "baseline", "marginal", "utility", "observation"])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([0, 1, 3]), st.lists(st.tuples(KINDS, STATUSES, st.booleans(), st.text(max_size=30)), max_size=8)
)
def test_every_format_survives_any_findings_and_text(exit_code: int, items: list[tuple[Any, Any, bool, str]]) -> None:
    results = with_gate(exit_code)
    results.findings = [
        Finding(id=f"f{i}", kind=kind, title=text, status=status, reason=text, sentence=text, requested=asked)
        for i, (kind, status, asked, text) in enumerate(items)
    ]
    results.name = results.scheme.log = items[0][3] if items else ""
    found = counts(junit.render(Source(results)))
    assert (found["failure"] + found["error"] == 0) == (exit_code == 0)
    assert json.loads(sarif.render(Source(results)))["version"] == "2.1.0"
    markdown.render(Source(results)).encode()


def test_junit_has_cases_and_properties() -> None:
    root = ET.fromstring(junit.render(Source(synthetic.results())))
    names = {c.get("name", "") for c in root.iter("testcase")}
    results = synthetic.results()
    for f in results.findings:
        assert any(n.startswith(f"{f.id}: ") for n in names) == (f.kind not in ("baseline", "utility"))
    facts = {p.get("name"): p.get("value") for p in root.iter("property")}
    assert facts["seed"] == "7" and facts["package.numpy"] == "2.4.1" and facts["exit_code"] == "1"
    skipped = {c.get("name", "").split(":")[0]: c.find("skipped") for c in root.iter("testcase")}
    reason = skipped["dataset"]
    assert reason is not None and "leaves it out" in reason.get("message", "")


def test_sarif_has_what_code_scanning_needs() -> None:
    run = json.loads(sarif.render(Source(synthetic.results())))["runs"][0]
    rules = [r["id"] for r in run["tool"]["driver"]["rules"]]
    assert rules == sorted(rules) and all(re.fullmatch(r"IH1\d\d", r) for r in rules)
    assert {r["ruleId"] for r in run["results"]} >= {"IH101", "IH102", "IH103", "IH104"}
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "examples/scheme.py" and place["region"]["startLine"] == 31
        assert len(result["partialFingerprints"]["ihaudit/v1"]) == 64 and result["message"]["text"]
    prints = [r["partialFingerprints"]["ihaudit/v1"] for r in run["results"]]
    assert len(prints) == len(set(prints))
    invocation = run["invocations"][0]
    assert invocation["executionSuccessful"] is False and invocation["exitCode"] == 1
    notes = {n["descriptor"]["id"]: n for n in invocation["toolExecutionNotifications"]}
    assert notes["game/dataset"]["level"] == "note" and notes["attack/public-regression"]["level"] == "error"
    assert invocation["startTimeUtc"] == "2026-01-02T03:04:05Z"


def test_sarif_fingerprints_stay_when_numbers_change_and_success_needs_everything_run() -> None:
    a, b = synthetic.results(), synthetic.results()
    for f in b.findings:
        f.metrics = {}
    b.findings = [f for f in b.findings if f.status != "not run"]
    b.seed, b.gate.measured = 99, None
    one, two = (json.loads(sarif.render(Source(r)))["runs"][0] for r in (a, b))
    assert [r["partialFingerprints"] for r in one["results"]] == [r["partialFingerprints"] for r in two["results"]]
    assert two["invocations"][0]["executionSuccessful"] is True


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("a b/scheme.py:My", "a%20b/scheme.py"),
        ("scheme.py", "scheme.py"),
        ("/nowhere/scheme.py", "file:///nowhere/scheme.py"),
        ("instahide-inside", "ihaudit/schemes/instahide_inside.py"),
    ],
)
def test_sarif_location(source: str, uri: str) -> None:
    assert sarif.uri(source) == uri


def test_no_claim_is_a_finding_of_its_own() -> None:
    results = synthetic.results()
    results.claims = []
    run = json.loads(sarif.render(Source(results)))["runs"][0]
    assert [r["level"] for r in run["results"] if r["ruleId"] == "IH107"] == ["note"]


def test_markdown_is_short_literal_and_without_images() -> None:
    results = synthetic.results()
    text = markdown.render(Source(results, synthetic.arrays()))
    assert text.startswith("## ✕ Broken") and "| Gate:" in text
    assert "data:" not in text and "![" not in text and "<script" not in text
    hostile = "](http://evil) ![x](https://evil/y) @team <b> `c` | $x$ www.evil.org\n# head"
    results.findings = [
        Finding(id=f"f{i}", kind="attack", title=hostile, status="broken", sentence=hostile * 9) for i in range(999)
    ]
    text = markdown.render(Source(results))
    assert len(text.encode()) < 64_000
    assert not re.search(r"(?<!\\)[<`]|@team|https?://|www\.|\n# ", text)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in text.splitlines() if line.startswith("| attack"))


@given(st.text())
def test_printable_text_fits_utf8_and_xml(text: str) -> None:
    clean = printable(text)
    clean.encode()
    assert ET.fromstring(ET.tostring(_element(clean))).text in (clean, None if clean == "" else clean)
    assert printable(clean) == clean


def _element(text: str) -> ET.Element:
    e = ET.Element("a")
    e.text = text
    return e
