"""Gate met, game broken: every format carries the same sentence, made in one place."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from ihaudit.contracts.format import Source
from ihaudit.report.formats import html, junit, markdown, sarif
from ihaudit.results import Gate, Results
from ihaudit.verdict import headline
from tests.report import synthetic


def results(*, broken: bool = True) -> Results:
    found = synthetic.results()
    found.claims = []
    found.gate = Gate(status="met", exit_code=0, statistic="90 % quantile of SSIM", bound=0.5)
    if not broken:
        found.findings = [f for f in found.findings if f.status != "broken"]
    return found


class Text(HTMLParser):
    """Gathers the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def spoken(page: str) -> str:
    """The text of an HTML page, white space made one."""
    parser = Text()
    parser.feed(page)
    return " ".join(" ".join(parser.parts).split())


def plain(text: str) -> str:
    """Markdown without its escapes."""
    return text.replace("\\", "")


def test_the_sentence_is_the_same_in_every_format() -> None:
    audit = results()
    text = headline.warning(audit)
    assert text.startswith("Gate met, yet ")
    source = Source(audit)
    page = html.render(source)
    assert text in spoken(page)
    assert spoken(page).index(text) < spoken(page).index("In plain words")
    assert text in plain(markdown.render(source)).split("| Claim")[0]
    xml = ET.fromstring(junit.render(source))
    [case] = [c for c in xml.iter("testcase") if c.get("name", "").startswith("gate.warning: ")]
    skipped = case.find("skipped")
    assert skipped is not None and skipped.get("message") == f"warning: {text}"
    assert not list(xml.iter("failure")) and not list(xml.iter("error"))
    assert {p.get("name"): p.get("value") for p in xml.iter("property")}["warning"] == text
    [run] = json.loads(sarif.render(source))["runs"]
    [result] = [r for r in run["results"] if r["ruleId"] == "IH108"]
    assert (result["level"], result["message"]["text"]) == ("warning", text)


@pytest.mark.parametrize("stored", ["Gate met, yet something else.", ""])
def test_a_stored_sentence_is_kept_and_older_results_get_one(stored: str) -> None:
    audit = results()
    audit.gate.warning = stored
    assert (headline.warning(audit) == stored) == bool(stored)
    assert headline.warning(audit) in spoken(html.render(Source(audit)))


def test_without_anything_broken_no_format_warns() -> None:
    source = Source(results(broken=False))
    assert headline.warning(source.results) == ""
    assert "No break found" in html.render(source) and "came out broken" not in html.render(source).lower()
    assert "yet" not in markdown.render(source).split("| Claim")[0]
    assert b"gate.warning" not in junit.render(source)
    assert "IH108" not in {r["ruleId"] for r in json.loads(sarif.render(source))["runs"][0]["results"]}
