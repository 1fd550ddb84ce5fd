"""Every figure is the same, to the printed digit and with its unit, in every format."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from ihaudit.contracts.format import Source
from ihaudit.report import words
from ihaudit.report.formats import html, junit, markdown, pdf, sarif
from ihaudit.results import ClaimResult, Finding, Results
from ihaudit.stats import Estimate
from ihaudit.verdict.decide import regate
from ihaudit.verdict.gates import GateOptions
from tests.report import synthetic
from tests.report.formats import pages
from tests.report.formats.test_headline import spoken

FORMATS = ("html", "pdf", "junit", "sarif", "markdown")


def close(text: str) -> str:
    """Without white space and Markdown's escapes: where a line breaks is no figure's business."""
    return "".join(text.replace("\\", "").replace("\0", "").split())


def audit() -> Results:
    """Claims and gates in every unit that there is, crossed and kept, with values whose rounding shows."""
    r = synthetic.results()
    adversary = ["encodings", "labels", "code"]
    r.claims += [
        ClaimResult(
            text="fewer than one image in five is matched",
            quantity="reid",
            bound=0.2,
            adversary=adversary,
            status="refuted",
            measured=Estimate(0.93756, 0.80049, 0.98751, 40),
            by="carlini",
        ),
        ClaimResult(
            text="nobody tells two images apart",
            quantity="advantage",
            bound=0.1234,
            adversary=adversary,
            status="inconclusive",
            measured=Estimate(0.28249, -0.00049, 0.32951, 2000),
            by="instance",
            reason="its interval is too wide",
        ),
    ]
    r.gate.checks[0].measured = r.gate.measured = Estimate(0.99551, 0.98449, 0.99949, 40)
    return r


def said(results: Results) -> dict[str, str]:
    source = Source(results, synthetic.arrays())
    root = ET.fromstring(junit.render(source))
    messages = [e.get("message") or e.text or "" for e in root.iter() if e.tag in ("failure", "error", "skipped")]
    messages += [e.text or "" for e in root.iter("system-out")]
    run = json.loads(sarif.render(source))["runs"][0]
    texts = {
        "html": spoken(html.render(source)),
        "pdf": "".join(pages.texts(pdf.render(source))),
        "junit": " ".join(messages),
        "sarif": " ".join(r["message"]["text"] for r in run["results"]),
        "markdown": markdown.render(source),
    }
    return {k: close(v) for k, v in texts.items()}


def figures(results: Results) -> list[tuple[str, str, bool]]:
    """(where from, the printed figure, whether it is an alert of code scanning)."""
    found = []
    for c in results.claims:
        unit, crossed = words.gate_unit(c.quantity), c.status == "refuted"
        found.append((f"claim {c.quantity}: bound", words.scaled(c.bound, unit), crossed))
        if c.measured:
            found.append((f"claim {c.quantity}: measured", words.estimate(c.measured, unit), crossed))
    for g in results.gate.checks:
        unit, crossed = words.gate_unit(g.name), g.met is False
        found.append((f"gate {g.name}: bound", words.scaled(g.bound, unit), crossed))
        found.append((f"gate {g.name}: measured", words.estimate(g.measured, unit), crossed))
    return found


@pytest.mark.skipif(pdf.check() is not None, reason=str(pdf.check()))
def test_figures_are_read_back_from_every_format() -> None:
    results = audit()
    stored = Results.model_validate_json(results.to_json())
    assert figures(stored) == figures(results)  # results.json keeps every digit that is printed
    texts = said(results)
    for where, figure, alert in figures(stored):
        for name in FORMATS:
            if alert or name != "sarif":
                assert close(figure) in texts[name], (where, figure, name)
    for f in results.of_kind("attack", "game"):
        if f.status == "not run" or (first := words.primary(f)) is None:
            continue
        figure = words.estimate(first[1], words.metric(first[0]).unit)
        for name in ("html", "pdf", "junit"):
            assert close(figure) in texts[name], (f.id, figure, name)


def test_the_sentence_of_the_verdict_prints_the_same_digits() -> None:
    """What the verdict writes into results.json, and the command line says, is rounded as every format rounds it."""
    attack = Finding(
        id="a",
        kind="attack",
        title="A",
        status="measured",
        primary="ssim_q90",
        metrics={
            "ssim": Estimate(0.99451, 0.99, 0.999, 40),
            "ssim_q90": Estimate(0.99551, 0.98449, 0.99949, 40),
            "reid": Estimate(0.9, 0.8, 0.95, 40),
            "reid_above_chance": Estimate(0.88751, 0.78, 0.94, 40),
        },
        details={
            "exceedance": {
                "level": [0.5],
                "n": 40,
                "d": 40,
                "private": [39],
                "decoy": [0],
                "gain": [39],
                "loss": [0],
                "best": 0.999,
                "clear": 0.9,
            }
        },
    )
    r = synthetic.results()
    r.findings, r.claims = [attack], []
    decided = regate(r, GateOptions())
    [check] = [c for c in decided.gate.checks if c.name == "ssim"]
    figure = words.estimate(check.measured)
    assert figure == "0.996 [0.984, 0.999]" and figure in decided.gate.sentence
    sentence = decided.findings[0].sentence
    assert "is 0.996 (bound 0.500)" in sentence and "90.0\u00a0% were re-identified" in sentence
    assert "97.5\u00a0% of 40 private images scored SSIM above 0.500" in sentence
