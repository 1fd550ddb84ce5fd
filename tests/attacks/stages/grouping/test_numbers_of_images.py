"""Numbers of images of real releases, where label counts allow several."""

from __future__ import annotations

import pytest

from ihaudit.attacks.stages.state import Grouped
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.nn.sources import load_split
from tests.benchmarks.attacks import reference, released
from tests.data import DATA


@pytest.mark.data
def test_images_with_five_encodings_a_slot_are_not_counted_twice() -> None:
    sample = reference(311, 50, 5, 6, 2, source="cifar10_eval", public=load_split(DATA).held_patches)
    view = View(encodings=sample.encodings, labels=released(sample, "soft"), image_range=(-1.0, 1.0))
    attack, ctx = Unmix(), Context(seed=311, profile="quick")
    state = attack.stages(attack.begin(view, ctx), ctx, "similarity", "grouping")
    assert state.require(Grouped).unknowns == 50
