"""JUnit, SARIF and Markdown: in step with the exit code, and safe to hand to other people's programs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.contracts.format import Source
from ihaudit.report.formats import junit, markdown, sarif
from ihaudit.report.plain import printable
from ihaudit.results import Finding, Gate, Results
from ihaudit.verdict.compare import Comparison
from tests.report import synthetic
from tests.validators import run_tool


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
        place = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert place == {"uri": "projects/enc/scheme.py", "uriBaseId": "%SRCROOT%"}
        assert len(result["partialFingerprints"]["ihaudit/v1"]) == 64 and result["message"]["text"]
        assert re.fullmatch(r"[0-9a-f]{16}:1", result["partialFingerprints"]["primaryLocationLineHash"])
    for name in ("ihaudit/v1", "primaryLocationLineHash"):
        prints = [r["partialFingerprints"][name] for r in run["results"]]
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


def located(results: Results) -> dict[tuple[str, str], Any]:
    """(rule, beginning of the message) -> location."""
    run = json.loads(sarif.render(Source(results)))["runs"][0]
    return {(r["ruleId"], r["message"]["text"]): r["locations"][0] for r in run["results"]}


def test_sarif_points_at_the_claim_or_parameter_that_is_at_fault() -> None:
    results = synthetic.results()
    game = next(f for f in results.of_kind("game") if f.status == "broken")
    results.findings += [
        Finding(id="checks-key", kind="check", title="Key", status="broken", sentence="It is fixed."),
        Finding(id="prng-seedless", kind="attack", title="Masks", status="broken", sentence="Found."),
    ]
    lines = {
        (rule, text.split(":")[0]): place["physicalLocation"]["region"]["startLine"]
        for (rule, text), place in located(results).items()
    }
    assert lines["IH102", "Claim refuted"] == 39
    assert lines["IH105", "Key"] == 42 and lines["IH103", "Masks"] == 36 and lines["IH104", game.title] == 50
    refuting = next(c.by for c in results.claims if c.status == "refuted")
    attack = next(f for f in results.findings if f.id == refuting)
    assert lines["IH103", attack.title] == 39
    results.scheme.lines = {}
    assert {p["physicalLocation"]["region"]["startLine"] for p in located(results).values()} == {31}


def test_sarif_names_a_reference_scheme_and_points_at_no_file_that_is_not_there() -> None:
    results = synthetic.results()
    results.scheme.path = ""
    places = located(results)
    assert places and all(set(p) == {"logicalLocations"} for p in places.values())


def test_sarif_categories_keep_the_runs_of_a_sweep_apart() -> None:
    ids = []
    for k in (2, 4):
        results = synthetic.results()
        results.options["sets"] = ["epochs=5", f"k={k}"]
        ids.append(json.loads(sarif.render(Source(results)))["runs"][0]["automationDetails"]["id"])
    assert [i.rpartition("/")[0] for i in ids] == [
        f"ihaudit/instahide%20%3Cb%3E%26/quick/epochs=5/k={k}" for k in (2, 4)
    ]


def test_sarif_rules_explain_themselves() -> None:
    driver = json.loads(sarif.render(Source(synthetic.results())))["runs"][0]["tool"]["driver"]
    assert driver["informationUri"].startswith("https://")
    for rule in driver["rules"]:
        assert rule["fullDescription"]["text"] and rule["help"]["markdown"] and rule["helpUri"].startswith("https://")


@pytest.mark.parametrize("path", ["projects/enc/scheme.py", "a b/schéme#1.py", ""])
def test_sarif_satisfies_the_public_validator(tmp_path: Path, path: str) -> None:
    """The rules of SARIF itself and those of a large code host; notes are advice, such as snippets of code."""
    results = synthetic.results()
    results.scheme.path = path
    results.findings += [Finding(id="x", kind="check", title="\x07", status="broken", sentence="a\nb")]
    (tmp_path / "a.sarif").write_text(sarif.render(Source(results)), encoding="utf-8")
    rules = "Sarif;Ghas" if path else "Sarif"  # the host shows nothing that has no line
    done = run_tool(
        "Sarif.Multitool", "validate", tmp_path / "a.sarif", "--rule-kind", rules, "--level", "Error;Warning"
    )
    assert done.returncode == 0 and "error " not in done.stdout and "warning " not in done.stdout, done.stdout


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
    assert text.count("<details>") == text.count("</details>") == 1
    text = re.sub("</?(details|summary)>", "", text)
    assert not re.search(r"(?<!\\)[<`]|@team|https?://|www\.|\n# ", text)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in text.splitlines() if line.startswith("| attack"))


def test_markdown_is_ten_lines_and_the_rest_is_folded() -> None:
    results = synthetic.results()
    text = markdown.render(Source(results))
    shown, _, folded = text.partition("<details>")
    assert len([line for line in shown.splitlines() if line.strip()]) <= 10
    assert "exit code 1" in shown and "Claim refuted" in shown.replace("claim refuted", "Claim refuted")
    ran = [f for f in results.of_kind("attack", "game") if f.status != "not run" or f.requested]
    assert sum(line.startswith(("| attack", "| game")) for line in folded.splitlines()) == len(ran)
    assert "Not run: " in folded and folded.rstrip().endswith("it can never prove one.")
    change = Comparison((), ("parameter k was 4 and is 6",), (), 0.02)
    assert "Against the baseline: nothing is worse (parameter k was 4" in markdown.summarised(Source(results), change)
    change = Comparison((), (), ("a", "b", "c"), 0.02)
    text = markdown.summarised(Source(results), change)
    assert "**Worse than the baseline:** a; b, and 1 more." in text.partition("<details>")[0] and "- worse: c" in text


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
