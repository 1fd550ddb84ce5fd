"""Weighted least squares."""

from __future__ import annotations

import torch

from ihaudit.attacks.numerics import least_squares
from tests.attacks.numerics.mixtures import random_mixing


def test_least_squares_equals_numpy() -> None:
    m = random_mixing(rows=60)
    truth = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
    found = least_squares.weighted(m.dense @ truth, m, rounds=1, ridge=0.0)
    torch.testing.assert_close(found.images, truth, rtol=1e-3, atol=1e-3)
