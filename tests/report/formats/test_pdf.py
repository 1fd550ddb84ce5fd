"""The PDF: pages, text, metadata, and nothing fetched."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ihaudit.contracts.format import Source
from ihaudit.errors import UsageError
from ihaudit.report.formats import pdf
from tests.report import synthetic
from tests.report.formats import pages

pypdf: Any = pytest.importorskip("pypdf", reason="needs pypdf (a development dependency)")
needs_pango = pytest.mark.skipif(pdf.check() is not None, reason=str(pdf.check()))


@pytest.fixture(scope="module")
def data() -> bytes:
    rendered = pdf.render(Source(synthetic.results(), synthetic.arrays()))
    assert len(rendered) < 3_000_000
    return rendered


@pytest.fixture(scope="module")
def document(data: bytes) -> Any:
    return pypdf.PdfReader(io.BytesIO(data))


@pytest.fixture(scope="module")
def texts(data: bytes) -> list[str]:
    return pages.texts(data)


@needs_pango
def test_pages_are_a4_numbered_and_titled(document: Any, texts: list[str]) -> None:
    n = len(document.pages)
    assert 6 <= n <= 40
    for i, page in enumerate(document.pages, 1):
        assert (round(float(page.mediabox.width)), round(float(page.mediabox.height))) == (595, 842)
        assert f"{i} / {n}" in texts[i - 1]
        assert ("Privacy audit of instahide" in texts[i - 1]) == (i > 1)


@needs_pango
def test_text_can_be_read_and_the_verdict_is_on_page_one(texts: list[str]) -> None:
    first = texts[0]
    assert "Broken" in first and "90 % quantile of SSIM" in first and "What to do" in first and "Tried" in first
    assert "Contents" in texts[1]
    everything = "\n".join(texts)
    for words in ("Claim against measurement", "Seven questions", "Glossary and references", 'alert("docstring")'):
        assert words in everything


@needs_pango
def test_metadata_outline_and_tags(document: Any) -> None:
    assert document.metadata is not None
    assert document.metadata.title == "Privacy audit of instahide <b>&: broken"
    root = document.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]
    titles = [o.title for o in document.outline if not isinstance(o, list)]
    assert any("Verdict" in t for t in titles) and any("Glossary" in t for t in titles)


@needs_pango
def test_header_cells_say_what_they_head(document: Any) -> None:
    scopes: list[str] = []

    def walk(node: Any) -> None:
        node = node.get_object()
        for child in (
            node if isinstance(node, list) else [node["/K"]] if isinstance(node, dict) and "/K" in node else []
        ):
            walk(child)
        if isinstance(node, dict) and node.get("/S") == "/TH":
            scopes.append(node["/A"].get("/Scope"))

    walk(document.trailer["/Root"]["/StructTreeRoot"])
    assert set(scopes) == {"/Column", "/Row"}


@needs_pango
def test_contents_show_true_page_numbers(document: Any, texts: list[str]) -> None:
    page_of = {
        o.title: document.get_destination_page_number(o) + 1 for o in document.outline if not isinstance(o, list)
    }
    glossary = next(v for k, v in page_of.items() if "Glossary" in k)
    line = next(x for x in texts[1].splitlines() if "Glossary and references" in x)
    assert line.rstrip().endswith(str(glossary))


def first_annex(texts: list[str]) -> int:
    """The page, counted from 1, on which the annexes begin."""
    return next(i for i, text in enumerate(texts, 1) if "Annexes: the evidence" in text)


@needs_pango
def test_the_reviewers_part_has_eight_pages_however_much_ran(texts: list[str]) -> None:
    assert first_annex(texts) <= 9
    results = synthetic.results()
    arrays = synthetic.arrays()
    for i in range(12):
        for id_ in ("carlini", "instance"):
            more = next(f for f in results.findings if f.id == id_).model_copy(update={"id": f"{id_}-{i}"})
            results.findings.append(more)
        arrays |= {k.replace("carlini/", f"carlini-{i}/"): v for k, v in arrays.items() if k.startswith("carlini/")}
    long = (
        "a sentence that goes on and on about what nobody could ever learn from anything that is published here, " * 3
    )
    results.claims += [results.claims[0].model_copy(update={"text": long, "reason": long}) for _ in range(5)]
    large = pages.texts(pdf.render(Source(results, arrays)))
    assert "What to do" in large[0] and "Contents" in large[1]


@needs_pango
@pytest.mark.parametrize("url", ["http://localhost:1/x.png", "file:///etc/passwd", "https://example.org/a.css"])
def test_nothing_but_data_is_fetched(url: str) -> None:
    fetch = pdf.fetcher()
    with pytest.raises(ValueError):
        (fetch.fetch if hasattr(fetch, "fetch") else fetch)(url)


@needs_pango
def test_a_system_without_fonts_is_told_before_pango_crashes(tmp_path: Path) -> None:
    conf = tmp_path / "fonts.conf"
    conf.write_text(f"<?xml version='1.0'?><fontconfig><cachedir>{tmp_path}/cache</cachedir></fontconfig>")
    code = "from ihaudit.report.formats import pdf; print(pdf.check())"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "FONTCONFIG_FILE": str(conf)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    assert "need at least one font" in said and "fonts-dejavu-core" in said


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError("cannot load library 'libpango-1.0-0': no such file"),
            ["libpango-1.0-0", "apt-get install", "libpangoft2-1.0-0"],
        ),
        (ImportError("No module named 'weasyprint'"), ["pip install weasyprint"]),
    ],
)
def test_missing_libraries_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: list[str]
) -> None:
    class Finder:
        def find_spec(self, name: str, *args: object) -> None:
            if name == "weasyprint":
                raise error

    for name in [m for m in sys.modules if m == "weasyprint" or m.startswith("weasyprint.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    pdf.check.cache_clear()
    try:
        problem = pdf.check()
        assert problem is not None and "\n" not in problem and all(w in problem for w in words)
        with pytest.raises(UsageError, match="PDF reports need"):
            pdf.render(Source(synthetic.results()))
    finally:
        monkeypatch.undo()
        pdf.check.cache_clear()
