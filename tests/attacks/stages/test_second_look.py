"""Another look at images of which a part has the wrong sign."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.stages.recovery.second_look import second_look
from ihaudit.attacks.stages.state import Recovered, State
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.metrics.matching import correlation
from ihaudit.nn.sources import load_split
from tests.attacks.releases import Sample
from tests.benchmarks.attacks import reference, released
from tests.data import DATA

CTX = Context(seed=1, profile="quick")


def solved(public: np.ndarray | None = None) -> tuple[State, Sample]:
    """Six images, one in each encoding, before sharpening; `public` uint8 (M, 32, 32, 3)."""
    public = load_split(DATA).held_patches if public is None else public
    sample = reference(5, 6, 20, 4, 1, source="cifar10_eval", public=public)
    view = View(encodings=sample.encodings, labels=released(sample, "soft"), image_range=(-1.0, 1.0))
    attack = Unmix()
    state = attack.stages(attack.begin(view, CTX), CTX, "similarity", "grouping", "coefficients", "recovery")
    return attack.stages(state, CTX, "assignment", "recovery"), sample


def likeness(state: State, sample: Sample) -> np.ndarray:
    """(R, N) correlations of what was recovered with the images."""
    images = state.require(Recovered).estimate.images[:-1]
    return correlation(to_pictures(images, state.observed.shape, state.observed.image_range), sample.images)


@pytest.mark.data
def test_a_part_of_the_wrong_sign_is_turned_and_nothing_else_is_lost() -> None:
    state, sample = solved()
    right = likeness(state, sample)
    assert (likeness(second_look(state, CTX), sample).max(1) > right.max(1) - 0.01).all()

    at = int(right.max(1).argmax())
    truth = int(right[at].argmax())
    known = state.require(Recovered)
    assert known.signs is not None
    part = torch.zeros(state.observed.shape)
    part[:, :, : part.shape[2] // 2] = 1
    turn = 1 - 2 * part.flatten()
    images, signs = known.estimate.images.clone(), known.signs.clone()
    images[at] *= turn
    held = torch.from_numpy((sample.members == truth).any(1))
    signs[held] = (signs[held].float() * turn).to(signs.dtype)
    broken = state.having(replace(known, estimate=Reconstruction(images, known.estimate.noise), signs=signs))
    assert likeness(broken, sample)[at, truth] < 0.7
    after = second_look(broken, CTX)
    mended = likeness(after, sample)
    assert mended[at, truth] > 0.9
    assert (
        after.records[-1].diagnostics["signs_proposed"] >= after.records[-1].diagnostics["images_with_other_signs"] > 0
    )
    others = np.arange(len(right)) != at
    assert (mended[others].max(1) > right[others].max(1) - 0.01).all()
