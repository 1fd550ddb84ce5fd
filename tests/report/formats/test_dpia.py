"""The annex for a DPIA and a model card: what the audit knows is in it, the rest is marked as the reader's."""

from __future__ import annotations

import re

from ihaudit.contracts.format import Source
from ihaudit.report import front, remedies
from ihaudit.report.formats import dpia
from ihaudit.report.formats.markdown import escape
from tests.report import synthetic


def test_fields_that_the_audit_knows_are_filled() -> None:
    r = synthetic.results()
    text = dpia.render(Source(r, synthetic.arrays()))
    for line in front.lines(r):
        assert escape(line.measured) in text and escape(line.bound) in text
    assert all(escape(a.remedy, 600) in text for a in remedies.actions(r))
    assert all(f"* {escape(f.id)}: {f.status}." in text for f in r.of_kind("attack", "game") if f.status != "not run")
    assert escape(front.sure(r)[0]) in text


def test_what_only_the_reader_knows_is_marked_and_sections_are_those_of_the_law() -> None:
    text = dpia.render(Source(synthetic.results()))
    sections = re.findall(r"^## ([a-d])\. ", text, re.M)
    assert sections == ["a", "b", "c", "d"]
    parts = re.split(r"^#+ ", text, flags=re.M)[2:]
    assert all(dpia.BLANK in part for part in parts)


def test_foreign_text_stays_text() -> None:
    r = synthetic.results()
    r.scheme.secrets = "<script>alert(1)</script> | [a](b)"
    text = dpia.render(Source(r))
    assert "<script>" not in text and "[a](b)" not in text


def test_an_audit_of_nothing_has_an_annex_too() -> None:
    r = synthetic.results()
    empty = r.model_copy(update={"findings": [], "claims": [], "release": None, "private": None})
    text = dpia.render(Source(empty))
    assert "no attack and no game ran" in text and "nothing was released" in text


def test_a_description_is_not_cut_within_a_word_and_parameters_stand_once() -> None:
    r = synthetic.results()
    r.scheme.doc = "Mixes images.\n\nTwice.\n\nParameters:\n    k: how many."
    text = dpia.render(Source(r))
    assert "Mixes images. Twice." in text and "how many" not in text
    r.scheme.doc = "word " * 400
    assert "word …\n" in dpia.render(Source(r))
