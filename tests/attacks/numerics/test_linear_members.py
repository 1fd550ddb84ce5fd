"""Members in the linear model: right ones found, and the optimum left in which one image stands for two."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ihaudit.attacks.numerics.linear_members import linear_modes

CLASSES, EACH, TIMES, DIMENSIONS = 2, 6, 14, 48


def mixtures(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features (E, D), labels and coefficients (E, 2) and true members (E, 2), one image of each class a row."""
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(CLASSES * EACH, DIMENSIONS))
    members = np.stack([rng.permutation(np.repeat(np.arange(EACH) + c * EACH, TIMES)) for c in range(CLASSES)], 1)
    mass = rng.uniform(0.2, 0.8, size=(len(members), 1))
    mass = np.hstack([mass, 1 - mass])
    rows = np.einsum("es,esd->ed", mass, images[members]) + rng.normal(size=(len(members), DIMENSIONS)) * 0.05
    label = np.broadcast_to(np.arange(CLASSES), members.shape).copy()
    values = torch.from_numpy(rows).float(), torch.from_numpy(label), torch.from_numpy(mass).float()
    return *values, torch.from_numpy(members)


def same(found: Tensor, true: Tensor) -> float:
    """Share of pairs of slots of one class on which two groupings agree."""
    agree = [(found[:, c, None] == found[None, :, c]) == (true[:, c, None] == true[None, :, c]) for c in range(CLASSES)]
    return float(torch.stack(agree).float().mean())


@pytest.mark.parametrize("seed", range(4))
def test_two_images_in_one_cluster_are_told_apart(seed: int) -> None:
    features, label, mass, true = mixtures(seed)
    start = true.clone()
    start[true == 1] = 0  # two images as one, and nothing left for the second
    start[torch.nonzero(true[:, 0] == 2)[0, 0], 0] = 1
    of_class = [np.arange(EACH) + c * EACH for c in range(CLASSES)]
    found = linear_modes(features, torch.ones(len(features)), label, mass, start, of_class)
    assert same(found, true) == 1.0


def test_right_members_stay() -> None:
    features, label, mass, true = mixtures(7)
    of_class = [np.arange(EACH) + c * EACH for c in range(CLASSES)]
    assert torch.equal(linear_modes(features, torch.ones(len(features)), label, mass, true, of_class), true)


def test_images_used_unequally_are_left_as_they_are() -> None:
    features, label, mass, true = mixtures(9)
    keep = (true[:, 0] != 1) | (torch.arange(len(true)) % 5 == 0)  # one image with a fifth of its encodings
    features, label, mass, true = features[keep], label[keep], mass[keep], true[keep]
    of_class = [np.arange(EACH) + c * EACH for c in range(CLASSES)]
    assert torch.equal(linear_modes(features, torch.ones(len(features)), label, mass, true, of_class), true)


def test_encodings_of_nothing_are_no_error() -> None:
    label = torch.zeros(20, 1, dtype=torch.int64)
    start = torch.zeros(20, 1, dtype=torch.int64)
    features = torch.zeros(20, 8)
    found = linear_modes(features, torch.ones(20), label, torch.ones(20, 1), start, [np.arange(3)])
    assert found.shape == (20, 1) and int(found.max()) < 3
