"""Images predict encodings that they were not made from; averages of unlike ones do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.held_out import believed_held_out, explained, grounds, held_out_share
from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.transforms import dct, low_frequencies
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from tests.attacks.numerics.test_moved import SHAPE, Made
from tests.attacks.releases import instahide
from tests.data import load_images


@pytest.mark.parametrize("count", [1, 8])
def test_images_are_believed_and_images_of_encodings_at_random_are_not(count: int) -> None:
    made = Made(n=count, epochs=80 // count, move=False)
    true = Mixing(made.mixing.members, made.mixing.coefficients, made.mixing.share, count)
    signs = torch.ones_like(made.values)
    good = held_out_share(made.values, signs, true, weighted(made.values, true), SHAPE)
    assert bool((believed_held_out(good) == 1).all())
    noise = torch.randn(made.values.shape, generator=torch.Generator().manual_seed(1))
    bad = held_out_share(noise, signs, true, weighted(noise, true), SHAPE)
    assert float(believed_held_out(bad).max()) < 0.1


def test_an_encoding_is_explained_by_images_made_without_it() -> None:
    """Against least squares with the encoding left out, one by one; an image in both slots is one part of it."""
    rng = np.random.default_rng(0)
    members = rng.integers(0, 3, (14, 2))
    members[:2] = [[1, 1], [2, -1]]
    coefficients = np.where(members >= 0, rng.uniform(0.2, 0.6, members.shape), 0)
    mixing = Mixing.of(members, coefficients, rng.uniform(0.1, 0.3, 14), 3)
    values = torch.from_numpy(rng.standard_normal((14, 3 * 16 * 16)).astype(np.float32))
    noise = torch.from_numpy(rng.uniform(0.5, 2, 14).astype(np.float32))
    shape = (3, 16, 16)
    told, whole = explained(values, torch.ones_like(values), mixing, Reconstruction(values[:4], noise), shape)
    rows = (dct(values, shape)[:, low_frequencies(shape)] / noise.sqrt()[:, None]).double()
    rows = rows / rows.square().mean(0).sqrt()
    held = np.zeros((14, 4))
    np.add.at(held, (np.arange(14)[:, None], members.clip(0)), coefficients)
    held[:, 3] = mixing.share
    held /= noise.sqrt().numpy()[:, None]
    ridge = 1e-3 * np.diag(held.T @ held).mean() * np.eye(4)
    for e in range(14):
        rest = np.arange(14) != e
        images = np.linalg.solve(held[rest].T @ held[rest] + ridge, held[rest].T @ rows.numpy()[rest])
        left = rows[e].numpy() - held[e] @ images
        for slot, i in enumerate(members[e]):
            part = held[e, i] * images[i] * (i >= 0 and i not in members[e, :slot])
            assert float(told[e, slot]) == pytest.approx(float(((left + part) * part).sum()), rel=1e-2, abs=1e-2)
            assert float(whole[e, slot]) == pytest.approx(float((part**2).sum()), rel=1e-2, abs=1e-2)


def test_grounds_tell_an_even_share_from_one_that_few_encodings_bring() -> None:
    mixing = Mixing.of(np.repeat([[0], [1]], 4, 0), np.ones((8, 1)), np.zeros(8), 2)
    whole = torch.ones(8, 1)
    told = torch.tensor([0.5] * 4 + [2.0, 0, 0, 0])[:, None]
    share, uneven, often, little, _ = grounds(told, whole, mixing)
    torch.testing.assert_close(share, torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(uneven, torch.tensor([0.01, 1.01]).log())
    torch.testing.assert_close(often, torch.tensor([4.0, 4.0]).log())
    torch.testing.assert_close(little, torch.tensor([0.0, 0.75]))


def test_mixtures_of_public_images_with_class_numbers_are_not_answered_confidently() -> None:
    """Each class came out as a smooth average of its mixtures, and was said to be 0.8."""
    rng = np.random.default_rng(0)
    pictures = load_images("imagenet_patches")[0][:200]
    share = rng.dirichlet(np.ones(4), 30)
    mixed = np.einsum("ek,ekhwc->ehwc", share, pictures[rng.integers(0, 200, (30, 4))] * 2 - 1)
    labels = np.eye(4, dtype=np.float32)[np.arange(30) % 4]
    masked = (mixed * rng.choice([-1, 1], mixed.shape)).astype(np.float32)
    out = Unmix().run(View(encodings=masked, labels=labels, image_range=(-1.0, 1.0)), Context(seed=1))
    assert out.confidence is not None and out.confidence.max() < 0.6 and out.confidence.mean() < 0.3
    real = instahide(n=4, epochs=20, k=4, size=32, private=1)
    numbers = (real.labels > 0).astype(np.float32)
    out = Unmix().run(View(encodings=real.encodings, labels=numbers, image_range=(-1.0, 1.0)), Context(seed=1))
    assert out.confidence is not None and out.confidence.mean() > 0.4
