"""Local weights as a stage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.state import Recovered
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context, ProfileName
from ihaudit.contracts.view import View
from tests.attacks.releases import instahide
from tests.attacks.states import correlation

CTX = Context(seed=3)


def test_local_weights_improve_on_recurring_images(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = instahide(n=12, epochs=30, k=4, size=32)
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0), hints={"n_private": 12})
    before = Unmix(sharpening="none").solve(start(view, CTX), CTX)
    runs: list[tuple[str, ProfileName]] = [
        ("none", "quick"),
        ("recurring", "quick"),
        ("local", "quick"),
        ("local", "standard"),
    ]
    found = {}
    for name, profile in runs:
        after = before.run(replace(CTX, profile=profile), "sharpening", name)
        solved = after.require(Recovered)
        found[name, profile] = to_pictures(solved.estimate.images[:-1], after.observed.shape, (-1.0, 1.0))
    assert after.records[-1].diagnostics["recurring_public_images"] > 0 and solved.confidence is None
    score = {k: correlation(v, sample.images) for k, v in found.items()}
    assert score["local", "standard"] > score["none", "quick"]
    assert score["local", "quick"] > score["none", "quick"]
    slots = replace(before.observed.slots, informative=False)
    none = replace(before, observed=replace(before.observed, slots=slots)).run(CTX, "sharpening", "local")
    assert "recurring_public_images" not in none.records[-1].diagnostics
