"""Features of mixtures."""

from __future__ import annotations

import pytest
import torch

from ihaudit.attacks.numerics import features


def test_regress_out_leaves_nothing_of_the_design_even_when_rank_deficient() -> None:
    g = torch.Generator().manual_seed(0)
    one = torch.ones(30)
    design = torch.stack([one, 2 * one, torch.rand(30, generator=g)], 1)
    rest = features.regress_out(torch.randn(30, 4, generator=g), design)
    assert float((design.T @ rest).abs().max()) < 1e-4


def test_faint_coefficients_count_where_there_is_no_mask() -> None:
    g = torch.Generator().manual_seed(0)
    shape, mass = (1, 8, 8), torch.rand(200, 2, generator=g) / 2
    # noise whose mean over the image, the lowest frequency, is faint
    values = torch.randn(200, 64, generator=g)
    values = values - values.mean(1, keepdim=True) * (1 - 1e-4)
    exact, _ = features.linear_features(values, mass, shape)
    torch.testing.assert_close((exact**2).mean(0), torch.ones(64), rtol=1e-2, atol=0)
    expected, weight = features.linear_features(values, mass, shape, signs=torch.ones_like(values))
    assert (expected[:, 0] ** 2).mean() < 0.1
    torch.testing.assert_close((expected[:, 1:] ** 2).mean(0), torch.ones(63), rtol=1e-2, atol=0)
    assert weight.shape == (200,) and expected.shape == exact.shape


def test_many_rows_are_whitened_block_by_block_in_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(0)
    shape, mass = (1, 8, 8), torch.rand(1100, 2, generator=g) / 2
    values, columns = torch.rand(1100, 64, generator=g), torch.arange(0, 64, 2)
    whole, weight = features.square_features(values, mass, shape)
    some, same = features.square_features(values, mass, shape, columns=columns)
    torch.testing.assert_close(some, whole[:, columns])
    torch.testing.assert_close(same, weight)  # weights are of all coefficients
    monkeypatch.setattr(features, "MANY", 1000)
    short, again = features.square_features(values, mass, shape, columns=columns)
    assert short.dtype == torch.float16
    torch.testing.assert_close(short.float(), some, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(again, weight)
