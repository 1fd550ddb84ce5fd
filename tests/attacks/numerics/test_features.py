"""Features of mixtures."""

from __future__ import annotations

import torch

from ihaudit.attacks.numerics import features


def test_regress_out_leaves_nothing_of_the_design_even_when_rank_deficient() -> None:
    g = torch.Generator().manual_seed(0)
    one = torch.ones(30)
    design = torch.stack([one, 2 * one, torch.rand(30, generator=g)], 1)
    rest = features.regress_out(torch.randn(30, 4, generator=g), design)
    assert float((design.T @ rest).abs().max()) < 1e-4
