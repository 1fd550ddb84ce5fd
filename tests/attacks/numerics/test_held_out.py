"""Images predict encodings that they were not made from; averages of unlike ones do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.held_out import believed_held_out, held_out_share
from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.mixing import Mixing
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
