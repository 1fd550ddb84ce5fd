"""Expectation maximisation for images of which only moduli are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics import em
from ihaudit.attacks.numerics.mixing import Reconstruction
from tests.attacks.numerics.mixtures import random_mixing


def test_em_step_equals_the_direct_formula() -> None:
    m = random_mixing(rows=60)
    g = torch.Generator().manual_seed(3)
    truth = torch.randn(6, 9, generator=g)
    y = (m.dense @ truth).abs()
    start = truth + 0.1 * torch.randn(6, 9, generator=g)
    noise = torch.full((60,), 0.05)
    ours = em.folded_em(y, m, Reconstruction(start, noise), temperatures=[1.0], batch=7).images
    expected = torch.tanh(y * (m.dense @ start) / 0.05) * y
    direct = torch.linalg.solve(m.normal(1 / noise), m.dense.T @ (expected / 0.05))
    torch.testing.assert_close(ours, direct, rtol=1e-3, atol=1e-4)


def test_cross_fit_leaves_its_fold_out() -> None:
    m = random_mixing(rows=60)
    y = torch.rand(60, 9, generator=torch.Generator().manual_seed(0))
    estimate = Reconstruction(torch.randn(6, 9, generator=torch.Generator().manual_seed(1)), torch.full((60,), 0.1))
    before = em.cross_fit(y, m, estimate, folds=3)[1]
    changed = y.clone()
    changed[1::3] = 7.0
    torch.testing.assert_close(em.cross_fit(changed, m, estimate, folds=3)[1], before)


def test_neighbours_equal_a_direct_sum() -> None:
    shape = (2, 5, 6)
    coupling = em.Coupling(sigma=1.0, channels=0.5)
    x = torch.randn(1, 60, generator=torch.Generator().manual_seed(0))
    ours = em.Neighbours(shape, coupling, x)(x).view(shape)
    field = x.view(shape)
    for c, i, j in [(0, 0, 0), (1, 2, 3), (0, 4, 5)]:
        total = 0.0
        for d in range(2):
            for a in range(5):
                for b in range(6):
                    if abs(a - i) <= 2 and abs(b - j) <= 2:
                        weight = np.exp(-((a - i) ** 2 + (b - j) ** 2) / 2) * (1.0 if c == d else 0.5)
                        total += float(field[d, a, b]) * weight
        assert float(ours[c, i, j]) == pytest.approx(total - float(field[c, i, j]), abs=1e-4)


def test_neighbours_of_nothing_are_nothing() -> None:
    x = torch.zeros(0, 27)
    assert em.Neighbours((3, 3, 3), em.Coupling(), x)(x).shape == (0, 27)
