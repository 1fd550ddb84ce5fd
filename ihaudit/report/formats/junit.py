"""report.junit.xml: one test case per gate, claim, game, attack and control, for build servers."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from ihaudit.contracts.format import Source, report_format
from ihaudit.report.ci import Case, cases
from ihaudit.report.plain import printable
from ihaudit.verdict import headline


@report_format("junit", "report.junit.xml")
def render(source: Source) -> bytes:
    """JUnit XML as Jenkins, GitLab and GitHub actions read it.

    ``failure``: a bound was crossed or a claim refuted; ``error``: undecided; ``skipped``: not run, with the reason.
    A file of an audit with exit code 0 has neither failures nor errors; with 1 at least one failure; with 3 at least
    one error.  Where something came out broken that the gate does not rest on, the case ``gate.warning`` and the
    property ``warning`` say so.
    """
    r = source.results
    found = cases(r)
    count = {o: str(sum(c.outcome == o for c in found)) for o in ("failure", "error", "skipped")}
    attributes = {
        "name": printable(f"ihaudit {r.name}"),
        "tests": str(len(found)),
        "failures": count["failure"],
        "errors": count["error"],
        "skipped": count["skipped"],
        "time": f"{r.cost.wall_s:.3f}",
    }
    root = ET.Element("testsuites", {k: v for k, v in attributes.items() if k != "skipped"})
    suite = ET.SubElement(root, "testsuite", attributes)
    if stamp := r.environment.started:
        suite.set("timestamp", stamp[:19])
    e = r.environment
    properties = ET.SubElement(suite, "properties")
    facts = {
        "seed": str(r.seed),
        "profile": r.profile,
        "exit_code": str(r.gate.exit_code),
        "device": e.device,
        "ihaudit": e.ihaudit,
        "python": e.python,
        "command": e.command,
        "scheme.source": r.scheme.source,
        "scheme.sha256": r.scheme.sha256,
        **({"warning": warned} if (warned := headline.warning(r)) else {}),
        **{f"package.{k}": v for k, v in e.packages.items()},
    }
    for name, value in facts.items():
        ET.SubElement(properties, "property", {"name": printable(name), "value": printable(value)})
    for case in found:
        suite.append(_case(case, r.name))
    if r.scheme.log:
        ET.SubElement(suite, "system-out").text = printable(r.scheme.log[:20_000])
    ET.indent(root)
    body: bytes = ET.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body + b"\n"


def _case(case: Case, name: str) -> ET.Element:
    element = ET.Element(
        "testcase",
        {
            "classname": printable(f"ihaudit.{name}.{case.group}"),
            "name": printable(f"{case.id}: {case.title}"),
            "time": f"{case.seconds:.3f}",
        },
    )
    message = printable(case.message)
    if case.outcome == "ok":
        ET.SubElement(element, "system-out").text = message
    else:
        inner = ET.SubElement(element, case.outcome, {"message": message})
        if case.outcome != "skipped":
            inner.set("type", {"failure": "bound crossed", "error": "inconclusive"}[case.outcome])
            inner.text = message
    return element
