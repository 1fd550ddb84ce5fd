"""Schemes to start from: every reference scheme as a file of its own that runs, claims and releases the same."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import ihaudit
from ihaudit.errors import UsageError
from ihaudit.sandbox import SchemeProcess
from ihaudit.sandbox.loader import locate, reference_names
from ihaudit.sandbox.starter import ITS_OWN, like_text

RNG = np.random.default_rng(0)
IMAGES = RNG.random((12, 16, 16, 3), dtype=np.float32)
LABELS = np.arange(12) % 3
PUBLIC = RNG.random((30, 16, 16, 3), dtype=np.float32)


@pytest.mark.parametrize("name", reference_names())
def test_a_scheme_begun_from_another_runs_alone_and_is_the_same(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(like_text(name, path.name), encoding="utf-8")
    released, cards = [], []
    for spec in (str(path), name):
        with SchemeProcess(locate(spec), public=PUBLIC) as process:
            cards.append(process.card)
            released.append(process.encode(IMAGES, LABELS, seed=3))
    mine, theirs = cards
    assert (mine.claims, mine.parameters, mine.key) == (theirs.claims, theirs.parameters, theirs.key)
    np.testing.assert_array_equal(released[0].encodings, released[1].encodings)


@pytest.mark.parametrize("name", reference_names())
def test_it_stands_alone_and_teaches(name: str) -> None:
    text = like_text(name, "mine.py")
    tree = ast.parse(text)
    ours = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("ihaudit")]
    assert [n.module for n in ours] == ["ihaudit"]
    assert {a.name for n in ours for a in n.names} <= set(ihaudit.__all__)
    assert "ihaudit run mine.py" in text and text.count("    # ") >= 2
    assert not any(f"    {attribute} = " in text for attribute in ITS_OWN)
    assert max(len(line) for line in text.splitlines()) <= 130


def test_a_name_that_is_none_is_an_error_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'pixel-permutation'"):
        like_text("pixel-permutaton")
    assert like_text("Pixel_Permutation") == like_text("pixel-permutation")
