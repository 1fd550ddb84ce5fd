"""Coefficients where signs are known."""

from __future__ import annotations

import torch

from ihaudit.attacks.single.fit import fit_coefficients
from tests.attacks.single.photographs import crops


def test_coefficients_are_exact_where_signs_are_known() -> None:
    u = torch.from_numpy(2 * crops("public", 30) - 1).permute(0, 3, 1, 2)[:20].reshape(10, 2, 3, 32, 32)
    p = torch.from_numpy(2 * crops("private", 10) - 1).permute(0, 3, 1, 2)
    mean = torch.zeros(1, 3, 32, 32)
    m = 0.4 * u[:, 0] + 0.2 * u[:, 1] + 0.4 * p
    used = torch.tensor([[True, True, False]] * 10)
    images = torch.cat([u, u[:, :1]], 1)
    c = fit_coefficients(20 * m.sign(), m.abs(), images, used, mean, torch.zeros(10, 3))
    assert torch.allclose(c.median(0).values, torch.tensor([0.4, 0.2, 0.0]), atol=0.03) and (c[:, 2] == 0).all()
    alone = fit_coefficients(20 * u[:, 0].sign(), 0.3 * u[:, 0].abs(), images, used, mean, torch.zeros(10, 3))
    assert torch.allclose(alone[:, :2], torch.tensor([0.3, 0.0]), atol=0.01)


def test_black_encodings_and_flat_public_images_do_not_break_a_fit() -> None:
    zero = torch.zeros(2, 3, 16, 16)
    c = fit_coefficients(zero, zero, zero[:, None], torch.ones(2, 1, dtype=torch.bool), zero[:1], torch.zeros(2, 1))
    assert torch.isfinite(c).all()
