"""`unmix` where the masks are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.recovery import unmask
from ihaudit.attacks.stages.sharpening import local
from ihaudit.attacks.stages.similarity import unmasked
from ihaudit.attacks.stages.state import Recovered
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from tests.attacks.releases import instahide
from tests.attacks.states import correlation

CTX = Context(seed=3)


def test_known_masks_stay_as_they_are_and_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = instahide(n=8, epochs=12, k=4, size=32, mask=False)
    for module in (unmasked, unmask, local):
        monkeypatch.setattr(module, "Unmasker", lambda *_: pytest.fail("masks are known"))
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0))
    state = start(view, CTX, signs=np.sign(sample.encodings))
    solved = Unmix().solve(state, replace(CTX, profile="standard")).require(Recovered)
    torch.testing.assert_close(solved.signs, state.observed.signs)
    images = to_pictures(solved.estimate.images[:-1], state.observed.shape, (-1.0, 1.0))
    assert solved.confidence is not None and solved.confidence.shape == (len(images),)
    assert correlation(images, sample.images) > 0.9
