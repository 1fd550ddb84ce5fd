"""The recolouring posterior on any shape."""

from __future__ import annotations

import pytest
import torch

from ihaudit.attacks.single.posterior import Recolourer
from ihaudit.nn.unmask import UnmaskNet
from tests.nn.samples import SMALL


@pytest.mark.parametrize("shape", [(1, 20, 17), (3, 32, 32), (3, 16, 40)])
def test_any_size_and_grey(shape: tuple[int, int, int]) -> None:
    x = torch.rand(3, *shape)
    out = Recolourer(UnmaskNet(SMALL).eval(), batch=2).logits(x)
    assert out.shape == x.shape and torch.isfinite(out).all()
