"""Releases to train on: what they say of themselves, coefficients, shifts."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.nn.releases import ReleaseConfig, mixing_weights, shifted
from ihaudit.nn.similarity import SHAPE
from tests.nn.samples import releases


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_releases_are_what_they_say(seed: int) -> None:
    sampler = releases(ReleaseConfig(k=(2, 6), per_image=4))
    batch = sampler.draw(np.random.default_rng(seed), 32)
    again = sampler.draw(np.random.default_rng(seed), 32)
    assert torch.equal(batch.magnitude, again.magnitude) and torch.equal(batch.images, again.images)
    assert batch.magnitude.shape == (32, *SHAPE) and (batch.magnitude >= 0).all()
    a = batch.images.numpy()
    direct = [[bool(set(x[x >= 0]) & set(y[y >= 0])) for y in a] for x in a]
    assert batch.shares().numpy().tolist() == direct
    assert ((batch.images[:, 1] >= 0) == batch.facts.shared).all()
    assert (batch.facts.mass > 0).all() and (batch.facts.share > -1e-5).all() and (batch.facts.mass <= 1).all()


def test_coefficients_obey_their_bounds() -> None:
    c = mixing_weights(np.random.default_rng(0), 500, 6, 2, 0.65)
    np.testing.assert_allclose(c.sum(1), 1, atol=1e-5)
    assert c.max() <= 0.65 and c[:, :2].sum(1).min() >= 0.3


def test_shifts_move_by_at_most_four_pixels_and_fill_with_black() -> None:
    x = np.full((50, 3, 32, 32), 255, np.uint8)
    y = shifted(np.random.default_rng(0), x)
    share = (y > 0).mean((1, 2, 3))
    assert share.min() >= (28 / 32) ** 2 and share.max() <= 1 and len(np.unique(share)) > 3
