"""Restarts of pixels."""

from __future__ import annotations

import torch

from ihaudit.attacks.numerics import restarts
from ihaudit.attacks.numerics.mixing import Reconstruction
from tests.attacks.numerics.mixtures import random_mixing


def test_restarts_never_lower_the_likelihood() -> None:
    m = random_mixing(rows=60)
    g = torch.Generator().manual_seed(4)
    y = (m.dense @ torch.randn(6, 48, generator=g)).abs()
    before = Reconstruction(torch.randn(6, 48, generator=g), torch.full((60,), 0.1))
    after, _ = restarts.restart_pixels(y, m, before, (3, 4, 4))
    old, new = (restarts.pixel_likelihood(y, m, e) for e in (before, after))
    assert bool((new >= old - 1e-3).all())
