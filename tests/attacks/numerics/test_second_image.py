"""A second image among an image's encodings is told from its residuals; a single one is not made two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.second_image import BELIEVED, HALVES, SCATTERED, believed, believed_moving, second_image
from tests.attacks.numerics.test_moved import SHAPE, Made


@pytest.mark.parametrize("moving", [False, True])
def test_an_average_of_two_images_is_told_and_one_image_is_not_made_two(moving: bool) -> None:
    made = Made(move=moving)
    moved = made.mixing
    true = moved if moving else Mixing(moved.members, moved.coefficients, moved.share, moved.unknowns)
    signs = torch.ones_like(made.values)
    good = second_image(made.values, signs, true, weighted(made.values, true), SHAPE)
    assert float(good.max()) < 0.2 and bool((believed(good) == 1).all())
    # images 0 and 4 are of one class: half of the encodings of each are taken for the other's
    members = true.members.clone()
    flip = torch.from_numpy(np.random.default_rng(0).random(members.shape) < 0.5)
    members[flip & (true.members == 0)], members[flip & (true.members == 4)] = 4, 0
    mixed = replace(true, members=members)
    bad = second_image(made.values, signs, mixed, weighted(made.values, mixed), SHAPE)
    assert float(bad[[0, 4]].min()) > 0.3 and float(bad[[0, 4]].max()) > HALVES
    assert float(believed(bad[[0, 4]]).max()) < 0.9 and float(believed(bad[[0, 4]]).min()) == pytest.approx(BELIEVED)
    assert float(bad[[1, 2, 3, 5, 6, 7]].max()) < 0.25


def test_copies_in_many_poses_taken_for_one_are_an_average_of_more_than_two() -> None:
    made = Made(move=True)
    signs = torch.ones_like(made.values)
    good = second_image(made.values, signs, made.mixing, weighted(made.values, made.mixing), SHAPE, rank=SCATTERED)
    still = replace(made.mixing, moved=torch.full_like(made.moved, len(made.motions) // 4))
    bad = second_image(made.values, signs, still, weighted(made.values, still), SHAPE, rank=SCATTERED)
    assert float(bad.min()) > float(good.max()) and float(bad.median()) > 0.5
    assert float(believed_moving(good).median()) > 0.9 and float(believed_moving(bad).median()) < 0.6


def test_images_with_hardly_any_encodings_and_noise_have_no_second_image() -> None:
    made = Made(n=4, epochs=4, move=False)
    noise = torch.randn(made.values.shape, generator=torch.Generator().manual_seed(0))
    members = made.mixing.members.clone()
    members[members == 3] = 2
    mixing = replace(made.mixing, members=members)
    found = second_image(noise, torch.ones_like(noise), mixing, weighted(noise, mixing), SHAPE)
    assert bool(torch.isfinite(found).all()) and float(found[3]) == 0


def test_the_only_image_of_a_release_is_no_average_though_no_other_is_there_to_differ_from() -> None:
    made = Made(n=1, epochs=40, move=False)
    true = Mixing(made.mixing.members, made.mixing.coefficients, made.mixing.share, 1)
    signs = torch.ones_like(made.values)
    found = second_image(made.values, signs, true, weighted(made.values, true), SHAPE)
    assert float(found[0]) < 0.2 and float(believed(found)[0]) == 1
