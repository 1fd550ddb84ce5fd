"""The documentation: every page is there, every attack and game has its place, and what the report cites exists."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from ihaudit import registry
from tests.validators import ROOT, run_tool

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Every page, generated ones among them."""
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "_hooks.py")
    assert spec is not None and spec.loader is not None
    hooks: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    written = {p.name: p.read_text(encoding="utf-8") for p in DOCS.glob("*.md")}
    generated: dict[str, str] = hooks.pages()
    assert not written.keys() & generated.keys()
    return written | generated


@pytest.mark.parametrize(("kind", "page"), [("attack", "attacks.md"), ("game", "games.md")])
def test_every_attack_and_game_has_its_reference(kind: Any, page: str, pages: dict[str, str]) -> None:
    for id_, cls in registry.load(kind).items():
        part = pages[page].partition(f"## {id_}\n")[2].partition("\n## ")[0]
        assert cls.reference in part and len(part) > 200, id_


def test_every_page_of_the_navigation_and_every_link_is_there(pages: dict[str, str]) -> None:
    named = re.findall(r"^ +- (?:[^:\n]*: )?([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert set(named) == set(pages)
    for name, text in pages.items():
        for target in re.findall(r"\]\(([\w.-]+\.(?:md|ipynb))\)", text):
            assert target in pages or (DOCS / target).is_file(), f"{name}: {target}"


def test_words_that_stand_in_reports_are_explained(pages: dict[str, str]) -> None:
    for word in ("advantage", "control", "no break found", "inconclusive", "provenance", "SSIM"):
        assert f"**{word}**" in pages["glossary.md"]
    for command in ("run", "check", "compare", "sweep"):
        assert f"## ihaudit {command}\n" in pages["commands.md"]
    assert "[tool.ihaudit]" in pages["commands.md"] and "\\[" not in pages["commands.md"]


def test_nothing_cites_a_documentation_that_is_not_there(pages: dict[str, str]) -> None:
    cited = [
        f"{p.name}: {line.strip()}"
        for p in [*(ROOT / "ihaudit").rglob("*.py"), *(ROOT / "templates").rglob("*.j2")]
        for line in p.read_text(encoding="utf-8").splitlines()
        if re.search(r"\bour documentation\b", line, re.IGNORECASE)
    ]
    assert not cited or "Derivations" in pages["derivations.md"], cited


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    done = run_tool("mkdocs", "build", "--strict", "-d", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "attacks" / "index.html").is_file()
