"""The spectral start: patches that came out negated."""

from __future__ import annotations

import pytest
import torch

from ihaudit.attacks.numerics import spectral
from tests.attacks.releases import photographs


def test_negated_patches_are_turned_back() -> None:
    images, _ = photographs(12, size=16)
    truth = torch.from_numpy((images * 2 - 1).transpose(0, 3, 1, 2).reshape(12, -1).copy())
    truth = torch.cat([truth, truth.mean(0, keepdim=True)])
    patch = torch.ones(3, 16, 16)
    patch[:, 4:9, 6:12] = -1
    patch[1, 0, 0] = -1
    found, share = spectral.resynchronise(truth * patch.reshape(-1), (3, 16, 16))
    torch.testing.assert_close(found, truth)
    assert share == pytest.approx(float((patch < 0).float().mean()))
