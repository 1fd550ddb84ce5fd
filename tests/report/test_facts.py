"""What section 3 says of the adversary: what it has, and who made use of it."""

from __future__ import annotations

from typing import Any

import pytest

from ihaudit.report import facts
from ihaudit.results import Finding, Results
from tests.report import synthetic


def row(results: Results, name: str) -> dict[str, Any]:
    [found] = [r for r in facts.adversary(results) if r["name"] == name]
    return found


def results() -> Results:
    found = synthetic.results()
    found.adversary = ["encodings", "labels", "oracle", "pairs"]
    found.options["known_pairs"] = 100
    used = {"a": ["encodings", "pairs"], "b": ["encodings", "oracle"], "c": ["labels"]}
    found.findings = [
        Finding(id=i, kind="attack", title=i, status="no break found", details={"used": u}) for i, u in used.items()
    ]
    found.findings[-1].status = "not run"
    game = Finding(id="g", kind="game", title="G", status="broken", needs=["oracle"], details={"known_images": 1000})
    found.findings.append(game)
    return found


def test_each_knowledge_says_who_made_use_of_it() -> None:
    r = results()
    assert row(r, "Encodings")["by"] == "a and b"
    assert row(r, "Oracle")["by"] == "b and 1 game"
    assert (row(r, "Labels")["has"], row(r, "Labels")["by"]) == (True, "")
    assert (row(r, "Code")["has"], row(r, "Code")["by"]) == (False, "")


def test_the_known_images_of_a_game_are_named() -> None:
    known = row(results(), "Known images under the key")
    assert "1,000 images" in known["text"] and known["by"] == "G"


@pytest.mark.parametrize(("count", "words"), [(100, ": 100 images"), (0, ": none here"), (None, "same key")])
def test_pairs_say_how_many_there_were(count: int | None, words: str) -> None:
    r = results()
    r.options["known_pairs"] = count
    assert words in row(r, "Pairs")["text"]
