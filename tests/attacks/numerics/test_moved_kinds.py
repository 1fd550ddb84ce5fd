"""Which kind of motion a release's images were moved by, and motions that lie between those of a list."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.motions import Motions, shifts, stretches, turns
from ihaudit.attacks.numerics.moved_kinds import surveyed
from ihaudit.attacks.numerics.moved_members import Moved, copies_of, settled
from ihaudit.attacks.numerics.moved_mixing import MovedMixing
from tests.attacks.numerics.test_moved import SHAPE, Made

STILL = Motions(torch.eye(2, 3)[None], SHAPE, -1.0)


def known(made: Made, mixing: MovedMixing, *, true: bool = False) -> Moved:
    """Images by least squares as if these were their motions (or the true ones), and what encodings tell of them."""
    found = weighted(made.values, mixing)
    images = torch.cat([made.images, found.images[-1:]]) if true else found.images
    noise = torch.full_like(found.noise, 0.01) if true else found.noise
    return Moved(torch.ones_like(made.values), made.values, noise, images, mixing, made.slots)


def remade(motions: Motions, seed: int = 0) -> Made:
    """The release of `Made` with other motions."""
    made = Made(seed=seed)
    moved = torch.from_numpy(np.random.default_rng(seed).integers(0, len(motions), made.moved.shape))
    zero = torch.cat([made.images, torch.zeros(1, made.images.shape[1])])
    before, after = made.mixing, replace(made.mixing, motions=motions, moved=moved)
    made.values = made.values - before.forward(zero, slice(None)) + after.forward(zero, slice(None))
    made.mixing, made.motions, made.moved = after, motions, moved
    return made


@pytest.mark.parametrize(
    ("motions", "words"),
    [
        (turns(SHAPE, 15, mirror=False, fill=None), "turned by up to 15 degrees"),
        (turns(SHAPE, 45, mirror=False, fill=-1.0), "turned by up to 45 degrees"),
        (stretches(SHAPE, 0.3, steps=5, mirror=False), "stretched by up to 30%"),
        (shifts(SHAPE, 2, mirror=False, fill=-1.0), "shifted by up to 2 pixels"),
        (STILL, None),
    ],
)
def test_the_kind_that_moved_the_images_explains_them_best(motions: Motions, words: str | None) -> None:
    made = remade(motions)
    still = replace(made.mixing, motions=STILL, moved=torch.zeros_like(made.moved))
    kind, gains = surveyed(known(made, still, true=words is not None), -1.0, 2, mirror=False)
    assert len(gains) >= 5, gains
    if words is None:
        assert kind is None, gains
    else:
        assert kind is not None and words in kind.group.words(), gains


def test_settled_motions_come_nearer_to_what_they_were() -> None:
    coarse = turns(SHAPE, 15, mirror=False, fill=None)
    made = remade(turns(SHAPE, 15, mirror=False, fill=None, step=0.5, reach=0))
    angle = torch.linspace(-15, 15, 61)[made.moved]
    near = torch.stack([(torch.linspace(-15, 15, 13) - a).abs().argmin() for a in angle.flatten()]).view(angle.shape)
    mixing = replace(made.mixing, motions=coarse, moved=near * 9 + 4)
    fine = settled(known(made, mixing), spacing=0.5, turn=True)
    found = torch.rad2deg(torch.asin(fine.theta[:, 1, 0].clamp(-1, 1))).view(angle.shape)
    before = torch.linspace(-15, 15, 13)[near]
    weight = mixing.coefficients**2
    assert float(((found - angle).abs() * weight).sum()) < 0.7 * float(((before - angle).abs() * weight).sum())


@pytest.mark.parametrize(
    ("motions", "turn"),
    [(turns(SHAPE, 15, mirror=False, fill=None), True), (shifts(SHAPE, 2, mirror=True, fill=-1.0), False)],
)
def test_an_image_in_two_poses_is_one_and_two_images_are_two(motions: Motions, turn: bool) -> None:
    made = remade(motions)
    of_class = [np.array([c, c + 4]) for c in range(4)]
    apart = copies_of(known(made, made.mixing, true=True), of_class, spacing=0.5, turn=turn)
    assert apart.tolist() == list(range(8))
    # the last four images are the first four in another pose, with a little noise
    moved = motions.move(made.images[:4], torch.tensor([0, 3, 5, 8]))
    made.images[4:] = moved + 0.05 * torch.randn(moved.shape, generator=torch.Generator().manual_seed(0))
    same = copies_of(known(made, made.mixing, true=True), of_class, spacing=0.5, turn=turn)
    assert all(f in (k, k - 4) for k, f in enumerate(same.tolist()))
    assert (same[4:] == np.arange(4)).sum() >= 3
