"""Members and coefficients where labels tell no coefficients: against a grid, and planted mixtures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.free_coefficients import (
    LEAST,
    MEANS,
    MOST,
    USUAL,
    FreeLinear,
    Prior,
    assign_free,
    best,
    common_factor,
    rescaled,
)
from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.numerics.members import Assignment, Products
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from tests.attacks.releases import instahide
from tests.attacks.states import correlation

SHAPE = (3, 16, 16)


def test_the_best_coefficients_are_those_of_a_grid() -> None:
    rng = np.random.default_rng(1)
    images = torch.from_numpy(rng.standard_normal((4, 30)))
    z = 0.4 * images[[0, 1, 2]] + 0.2 * images[[3, 3, 0]] + 0.1 * torch.from_numpy(rng.standard_normal((3, 30)))
    observed = Products(z @ images.T, images @ images.T, torch.tensor([3.0, 20.0, 100.0], dtype=torch.float64))
    prior = Prior(0.2, 0.1)
    a, b = torch.tensor([[0], [1], [2]]), torch.tensor([[3], [3], [0]])
    x, y, score = best(observed, a, b, prior)
    grid = torch.linspace(LEAST, MOST, 187, dtype=torch.float64)
    for i in range(3):
        l1, l2 = grid[:, None, None], grid[None, :, None]
        rest = z[i] - l1 * images[a[i, 0]] - l2 * images[b[i, 0]]
        value = -observed.precision[i] / 2 * (rest**2).sum(-1)
        value = value - ((grid[:, None] - 0.2) ** 2 + (grid[None] - 0.2) ** 2) / 2 / 0.1**2
        at = divmod(int(value.argmax()), len(grid))
        assert float(x[i, 0]) == pytest.approx(float(grid[at[0]]), abs=0.006)
        assert float(y[i, 0]) == pytest.approx(float(grid[at[1]]), abs=0.006)
        # the score is that value up to what is the same for all pairs
        constant = observed.precision[i] / 2 * (z[i] ** 2).sum() + 2 * 0.2**2 / 2 / 0.1**2
        assert float(score[i, 0]) == pytest.approx(float(value.max() + constant), rel=1e-2)


@pytest.mark.parametrize("kind", ["hard", "none"])
def test_members_and_coefficients_of_planted_mixtures(kind: str) -> None:
    sample = instahide(n=12, epochs=20, k=4, mask=False)
    labels = None if kind == "none" else (sample.labels > 0).astype(np.float32)
    slots = read_slots(labels, len(sample.members))
    pictures = torch.from_numpy(sample.images.transpose(0, 3, 1, 2).reshape(12, -1) * 2 - 1)
    images = torch.cat([pictures, pictures.mean(0, keepdim=True)])
    mixtures = torch.from_numpy(sample.encodings.transpose(0, 3, 1, 2).reshape(len(sample.members), -1).copy())
    noise = torch.full((len(mixtures),), 0.01)
    observed = FreeLinear(torch.sign(mixtures), mixtures.abs(), noise, [images], slots, SHAPE)
    observed.fit(
        Mixing.of(sample.members, sample.lambdas[:, :2], 1 - sample.lambdas[:, :2].sum(1), 12), torch.arange(240)
    )
    classes = (
        np.zeros(12, int) if kind == "none" else np.array([_class(sample.members, slots.label, i) for i in range(12)])
    )
    of_class = [np.flatnonzero(classes == c) for c in range(slots.classes)]
    found = assign_free(observed, of_class, 12, None)
    # which slot holds which of two images does not matter
    turned = (found.members == sample.members[:, ::-1]).sum(1) > (found.members == sample.members).sum(1)
    members = np.where(turned[:, None], found.members[:, ::-1], found.members)
    mass = np.where(turned[:, None], found.coefficients[:, ::-1], found.coefficients)
    right, strong = members == sample.members, sample.lambdas[:, :2] > 0.15
    assert right[strong].mean() > 0.9
    truth = sample.lambdas[:, :2]
    assert np.abs(mass - truth)[right].mean() < 0.7 * np.abs(truth - truth.mean())[right].mean()


def test_encodings_of_the_wrong_sign_are_turned_and_no_others() -> None:
    sample = instahide(n=12, epochs=20, k=4, mask=False)
    slots = read_slots(None, len(sample.members))
    pictures = torch.from_numpy(sample.images.transpose(0, 3, 1, 2).reshape(12, -1) * 2 - 1)
    images = torch.cat([pictures, pictures.mean(0, keepdim=True)])
    mixtures = torch.from_numpy(sample.encodings.transpose(0, 3, 1, 2).reshape(len(sample.members), -1).copy())
    wrong = torch.arange(len(mixtures)) % 10 == 0
    signs = torch.sign(mixtures) * torch.where(wrong, -1.0, 1.0)[:, None]
    observed = FreeLinear(signs, mixtures.abs(), torch.full((len(mixtures),), 0.01), [images], slots, SHAPE)
    mixing = Mixing.of(sample.members, sample.lambdas[:, :2], 1 - sample.lambdas[:, :2].sum(1), 12)
    observed.fit(mixing, torch.nonzero(~wrong)[:, 0])
    observed.turns = True
    assign_free(observed, [np.arange(12)], 12, None)
    assert float(observed.turned[wrong].float().mean()) > 0.8
    assert float(observed.turned[~wrong].float().mean()) < 0.1


def _class(members: np.ndarray, label: np.ndarray, image: int) -> int:
    """The class that all encodings of an image have in common."""
    rows = label[(members == image).any(1)]
    return int(np.argmax([(rows == c).any(1).mean() for c in range(label.max() + 1)]))


def test_the_common_factor_is_found_where_residuals_tell_it_and_nowhere_else() -> None:
    rng = np.random.default_rng(2)
    weight = rng.uniform(0.3, 0.8, 2000)
    residual = (1 - weight) ** 1.9 * np.exp(0.3 * rng.standard_normal(2000))
    assert common_factor(weight * 1.25, residual, 0.5) == pytest.approx(0.8, abs=0.03)
    assert common_factor(weight, rng.permutation(residual), 0.3) is None
    assert common_factor(weight[:0], residual[:0], 0.3) is None  # no encoding of which both images are decided


def test_rescaling_makes_images_equally_strong_and_predicts_the_same() -> None:
    rng = np.random.default_rng(3)
    members = np.stack([rng.permutation(np.tile(np.arange(4), 50)) for _ in range(2)], 1)
    mass = rng.uniform(0.1, 0.3, (200, 2)).astype(np.float32) * np.array([0.5, 1, 1, 1.5])[members].astype(np.float32)
    images = torch.from_numpy(rng.standard_normal((5, 7)).astype(np.float32))
    found = Assignment(members, mass, np.ones(200, np.float32))
    even, solved = rescaled(found, images, None)
    each = np.array([even[members == i].mean() for i in range(4)])
    assert np.allclose(each, USUAL[2], rtol=0.02)
    before = Mixing.of(members, mass, 1 - mass.sum(1), 4).forward(images, slice(None))
    after = Mixing.of(members, even, 1 - even.sum(1), 4).forward(solved, slice(None))
    torch.testing.assert_close(before, after, rtol=1e-3, atol=1e-3)
    # a factor that only chance can have made is not believed
    wild, _ = rescaled(found, images, (1 - 3 * even.sum(1).astype(float) / even.sum(1).max()).clip(0.01) ** 4)
    assert MEANS[2][0] * 0.98 <= wild.mean() <= MEANS[2][1] * 1.02


@pytest.mark.slow
def test_hard_labels_lose_little() -> None:
    """The same release with weighted labels, and with classes alone."""
    sample = instahide(n=16, epochs=25, k=4, size=32)
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0), hints={"n_private": 16})
    weighted = Unmix().run(view, Context(seed=3))
    hard = Unmix().run(replace(view, labels=(sample.labels > 0).astype(np.float32)), Context(seed=3))
    assert correlation(hard.images, sample.images) > correlation(weighted.images, sample.images) - 0.05
    assert hard.coefficients is not None and weighted.coefficients is not None
    assert np.corrcoef(hard.coefficients.sum(1), weighted.coefficients.sum(1))[0, 1] > 0.7


def test_class_numbers_of_what_was_mixed_with_public_images_are_no_coefficients() -> None:
    """One private image in every encoding, its class as label: taken at its word, an image would be its mixtures'
    average, far too grey, and said to be right (0.43 for 0.78 at T = 20, k = 4)."""
    sample = instahide(n=6, epochs=20, k=4, size=32, private=1)
    hard = (sample.labels > 0).astype(np.float32)
    view = View(encodings=sample.encodings, labels=hard, image_range=(-1.0, 1.0))
    out = Unmix().run(view, Context(seed=3))
    coefficients = [s.diagnostics["mean_coefficient"] for s in out.stages if "mean_coefficient" in s.diagnostics]
    true = float(sample.lambdas[:, 0].mean())
    assert coefficients and coefficients[-1] == pytest.approx(true, rel=0.35)


def test_one_slot_is_assigned_and_scaled() -> None:
    rng = np.random.default_rng(5)
    images = torch.from_numpy(rng.uniform(-1, 1, (7, 3 * 16 * 16)).astype(np.float32))
    images[-1] = 0.1
    label = np.repeat([0, 1], 60)[:, None]
    members = np.concatenate([rng.integers(0, 3, 60), rng.integers(3, 6, 60)])
    mass = rng.uniform(0.15, 0.5, 120).astype(np.float32)
    mixtures = torch.from_numpy(mass)[:, None] * images[members] + (1 - torch.from_numpy(mass))[:, None] * images[-1]
    mixtures = mixtures + 0.05 * torch.randn(mixtures.shape, generator=torch.Generator().manual_seed(1))
    slots = replace(read_slots(np.eye(2, dtype=np.float32)[label[:, 0]], 120), informative=False)
    observed = FreeLinear(mixtures.sign(), mixtures.abs(), torch.full((120,), 0.05**2), [images], slots, SHAPE)
    observed.fit(Mixing.of(members[:, None], mass[:, None], 1 - mass, 6), torch.arange(120))
    found = assign_free(observed, [np.arange(3), np.arange(3, 6)], 6, 20.0)
    assert (found.members[:, 0] == members).mean() > 0.95
    assert np.corrcoef(found.coefficients[:, 0], mass)[0, 1] > 0.95
    scaled, solved = rescaled(found, images, 0.3 * (1 - mass.astype(np.float64)) ** 1.9)
    assert scaled.mean() == pytest.approx(mass.mean(), rel=0.05)
    assert solved.shape == images.shape
