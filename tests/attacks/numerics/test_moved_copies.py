"""Encodings grouped under motions of a list, and motions about the middle of an image's copies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.motions import about_mean, nearest, turns
from ihaudit.attacks.numerics.moved_copies import Listed
from ihaudit.attacks.numerics.moved_grouping import Seen, group_listed, group_moved
from ihaudit.attacks.numerics.moved_kinds import Kind
from ihaudit.scheme import Augmentation
from tests.attacks.numerics.test_moved import SHAPE, Made, right
from tests.attacks.numerics.test_moved_kinds import remade

WIDE = turns(SHAPE, 40, mirror=False, fill=-1.0, step=5, reach=0)
NEAR = turns(SHAPE, 20, mirror=False, fill=-1.0, step=2.5, reach=0)
TURNED = Kind(Augmentation(rotation=20), NEAR, wide=WIDE)


def test_turned_images_are_grouped_where_shifts_alone_are_not_enough() -> None:
    made = remade(NEAR)
    found = group_listed(made.values, made.slots, TURNED)
    assert found.found.sizes.per_class.tolist() == [2, 2, 2, 2]
    share = right(found.found.members, made)
    plain = group_moved(made.values, made.slots, SHAPE, Seen(100, 0.9, 0.5, 1), fill=-1.0)
    assert share > 0.85 and share > right(plain.found.members, made) + 0.05
    # strong slots have their angles, up to one per image
    by_slot = np.where(made.members[:, :1] % 4 == made.slots.label[:, :1], made.members, made.members[:, ::-1])
    swap = torch.from_numpy(by_slot != made.members)[:, :1]
    true = torch.where(swap, made.moved.flip(1), made.moved)
    strong = (made.slots.mass > 0.3) & ~made.slots.shared[:, None]
    angle = torch.linspace(-20, 20, len(NEAR))
    error = []
    for image in range(8):
        rows, columns = np.nonzero(strong & (by_slot == image))
        cluster = np.bincount(found.found.members[rows, columns]).argmax()
        own = found.found.members[rows, columns] == cluster
        off = angle[found.moved[rows, columns][own]] - angle[true[rows, columns][own]]
        error.append(float((off - off.median()).abs().median()))
    assert float(np.median(error)) < 4


def test_encodings_that_hold_nothing_in_common_are_grouped_without_a_fault() -> None:
    made = Made(n=4, epochs=6)
    noise = torch.randn(made.values.shape, generator=torch.Generator().manual_seed(0))
    found = group_listed(noise, made.slots, TURNED)
    assert found.found.members.shape == (24, 2) and bool(torch.isfinite(found.polarity).all())


def test_a_copy_moved_back_and_forth_is_nearly_what_it_was() -> None:
    made = Made()
    listed = Listed.of(made.values, made.mixing.coefficients, NEAR)
    still = int(nearest(torch.eye(2, 3)[None], NEAR))
    assert float(listed.left[still]) == pytest.approx(1, abs=1e-4)
    assert bool(((listed.left > 0.3) & (listed.left < 1.01)).all())
    rows = torch.arange(len(listed))
    moved = listed.motions.move(listed.aligned(torch.full_like(rows, 2)), torch.full_like(rows, 2), linear=True)
    own = (listed.whitened(moved) * listed.rows).sum(1)
    guessed = listed.own(torch.full((len(rows), 1), 2))[:, 0]
    assert float((own / guessed).median()) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("turn", [True, False])
def test_the_middle_of_turned_copies_is_a_turn(turn: bool) -> None:
    angles = torch.tensor([-35.0, 5.0, 45.0])  # about 5 degrees
    theta = turns(SHAPE, 45, mirror=False, fill=None, step=5, reach=0).theta[((angles + 45) / 5).long()]
    about, mean = about_mean(theta, torch.zeros(3, dtype=torch.int64), torch.ones(3), 1, turn=turn)
    size = torch.linalg.det(mean[0, :, :2])
    assert float(size) == pytest.approx(1.0 if turn else 0.712, abs=0.01)
    if turn:
        assert float(torch.rad2deg(torch.asin(mean[0, 1, 0]))) == pytest.approx(5, abs=0.01)
        assert torch.rad2deg(torch.asin(about[:, 1, 0])).tolist() == pytest.approx([-40, 0, 40], abs=0.01)
