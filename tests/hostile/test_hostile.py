"""Schemes that leak in the open must not get exit code 0, and what gives nothing away must get it."""

from __future__ import annotations

from functools import cache

import pytest

from ihaudit.audit.data import Data
from tests.hostile.cases import CASES, Case
from tests.hostile.examine import HERE, examine, images


@cache
def data() -> Data:
    return images()


@pytest.mark.parametrize("case", [c for c in CASES if c.sample], ids=lambda c: c.id)
def test_sample(case: Case) -> None:
    _must(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if not c.sample], ids=lambda c: c.id)
def test_all(case: Case) -> None:
    _must(case)


def _must(case: Case) -> None:
    found = examine(HERE / f"{case.file}.py", {case.name: case.value}, data(), case.attacks)
    assert found.exit_code in case.right, found.gate.sentence
