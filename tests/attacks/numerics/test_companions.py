"""Few images: companions that pass for images, planted both ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ihaudit.attacks.numerics.companions import explained, fewest, only_image, smaller
from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.numerics.sizes import Sizes
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.metrics.matching import correlation
from tests.attacks.releases import blobs, instahide


def planted(count: int, seed: int = 0) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Mixtures (120, 200) of two of `count` images, their members and coefficients."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((count, 200))
    members = np.stack([np.concatenate([rng.permutation(count) for _ in range(120 // count)]) for _ in range(2)], 1)
    mass = rng.uniform(0.1, 0.4, members.shape).astype(np.float32)
    x = (mass[:, :, None] * images[members]).sum(1) + 0.3 * rng.standard_normal((120, 200))
    return torch.from_numpy(x.astype(np.float32)), members, mass


def parts_by_companion(members: np.ndarray, count: int) -> np.ndarray:
    """Every image cut into as many as it has companions."""
    parts: np.ndarray = members * count + members[:, ::-1]
    return parts


def test_parts_by_companion_explain_no_more_than_their_image() -> None:
    rows, members, mass = planted(3)
    weight = torch.full((120,), 1 / 0.3**2)
    found = {3: (members, 3), 9: (parts_by_companion(members, 3), 9)}
    values = {n: explained(rows, weight, m, mass, k) for n, (m, k) in found.items()}
    assert values[3] > 0
    assert fewest(9, [3], values.__getitem__) == 3


def test_images_that_are_there_stay() -> None:
    rows, members, mass = planted(6)
    weight = torch.full((120,), 1 / 0.3**2)
    found = {6: (members, 6), 3: (members // 2, 3)}
    assert fewest(6, [3], lambda n: explained(rows, weight, found[n][0], mass, found[n][1])) == 6


def test_what_explains_nothing_is_not_chosen_for_being_few() -> None:
    assert fewest(4, [2], {2: -5.0, 4: 10.0}.__getitem__) == 4
    assert fewest(4, [2], {2: -5.0, 4: -9.0}.__getitem__) == 2


def test_smaller_numbers_fit_the_labels_and_are_tried_for_few_images_only() -> None:
    sample = instahide(n=4, epochs=10, size=16)
    slots = read_slots(sample.labels, len(sample.labels))

    def sizes(count: int, source: str = "divisor of the label counts with the best grouping") -> Sizes:
        return Sizes(np.array([count]), 1.0, True, source)

    assert 4 in smaller(slots, sizes(8))
    assert smaller(slots, sizes(30)) == []
    assert smaller(slots, sizes(8, "stated number of private images")) == []
    assert smaller(slots, sizes(1)) == []


@pytest.mark.parametrize(("count", "only"), [(1, True), (2, False), (5, False)])
def test_the_only_image_of_a_release_is_seen_for_what_it_is(count: int, only: bool) -> None:
    sample = instahide(n=count, epochs=40, k=4, size=32, mask=False, private=1)
    flip = np.where(np.random.default_rng(2).random(len(sample.encodings)) < 0.1, -1, 1)
    mixtures = sample.encodings.transpose(0, 3, 1, 2).reshape(len(flip), -1) * flip[:, None]
    mass = torch.from_numpy(sample.lambdas[:, 0].astype(np.float32))
    found = only_image(torch.from_numpy(mixtures.astype(np.float32)).__getitem__, mass, (3, 32, 32))
    assert (found is not None) == only
    if found is not None:
        signs, strength = found
        assert (signs.numpy() == flip).mean() > 0.97
        assert np.corrcoef(strength.numpy(), mass.numpy())[0, 1] > 0.8


@pytest.mark.parametrize("count", [2, 3, 4, 5, 10, 40])
def test_encodings_that_hold_nothing_do_not_share_an_image(count: int) -> None:
    for seed in range(8):
        smooth = gaussian_filter(np.random.default_rng(seed).normal(size=(count, 3, 32, 32)), (0, 0, 2, 2))
        mixtures = torch.from_numpy(smooth.reshape(count, -1))
        assert only_image(mixtures.__getitem__, torch.ones(count), (3, 32, 32)) is None


@pytest.mark.parametrize("kind", ["soft", "none"])
def test_one_image_in_all_encodings_is_found_with_and_without_labels(kind: str) -> None:
    """Encodings that hold the same image do not differ in what they hold, and were taken for two images, or none."""
    sample = instahide(n=1, epochs=30, k=6, size=32)
    labels = sample.labels if kind == "soft" else None
    out = Unmix().run(View(encodings=sample.encodings, labels=labels, image_range=(-1.0, 1.0)), Context(seed=3))
    assert len(out.images) == 1
    assert correlation(out.images, sample.images)[0, 0] > 0.85


@pytest.mark.parametrize("count", [4, 6])
def test_few_encodings_that_hold_nothing_are_not_answered_confidently(count: int) -> None:
    """Six of class numbers seemed to be turned, and ended in an error of a reshaped tensor."""
    for labels in (None, np.eye(4, dtype=np.float32)[np.arange(count) % 4]):
        view = View(encodings=blobs((count, 32, 32, 3)), labels=labels, image_range=(-1.0, 1.0))
        out = Unmix().run(view, Context(seed=1))
        assert out.confidence is not None and out.confidence.max() < 0.3 and out.augmentation is None


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3])
def test_releases_of_very_few_images_are_attacked(count: int) -> None:
    """One image in both places of every encoding, and three, which were taken for nine."""
    sample = instahide(n=count, epochs=30, k=4, size=32)
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0))
    out = Unmix().run(view, Context(seed=3))
    assert len(out.images) <= max(count, 2)
