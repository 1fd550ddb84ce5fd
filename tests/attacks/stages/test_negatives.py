"""Images that came out as their negatives, and public images that tell nothing of that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.stages.recovery.negatives import turn_negatives
from ihaudit.attacks.stages.state import Recovered, State
from ihaudit.contracts.context import Context
from ihaudit.nn.sources import load_split
from tests.attacks.releases import Sample
from tests.attacks.stages.test_second_look import likeness, solved
from tests.data import DATA

CTX = Context(seed=1, profile="quick")


def negated(state: State, sample: Sample, at: int) -> State:
    """With one image and the signs of its encodings turned."""
    known, right = state.require(Recovered), likeness(state, sample)
    assert known.signs is not None
    images, signs = known.estimate.images.clone(), known.signs.clone()
    images[at] *= -1
    held = torch.from_numpy((sample.members == right[at].argmax()).any(1))
    signs[held] *= -1
    return state.having(replace(known, estimate=Reconstruction(images, known.estimate.noise), signs=signs))


@pytest.mark.data
def test_a_negative_is_turned_and_nothing_else() -> None:
    state, sample = solved()
    right = likeness(state, sample)
    same = turn_negatives(state, CTX)
    assert same.records[-1].diagnostics["negatives_turned"] == 0
    assert torch.equal(same.require(Recovered).estimate.images, state.require(Recovered).estimate.images)

    at = int(right.max(1).argmax())
    truth = int(right[at].argmax())
    broken = negated(state, sample, at)
    assert likeness(broken, sample)[at, truth] < -0.9
    after = turn_negatives(broken, CTX)
    mended = likeness(after, sample)
    assert after.records[-1].diagnostics["negatives_turned"] == 1 and mended[at, truth] > 0.9
    others = np.arange(len(right)) != at
    np.testing.assert_allclose(mended[others], right[others], atol=1e-5)


@pytest.mark.data
def test_public_images_that_may_be_either_way_up_turn_nothing() -> None:
    patches = load_split(DATA).held_patches[:4000].copy()
    patches[::2] = 255 - patches[::2]
    state, _ = solved(patches)
    after = turn_negatives(state, CTX)
    assert after.records[-1].diagnostics["negatives_proposed"] == 0
