"""The DCT and its low frequencies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from ihaudit.attacks.numerics import transforms
from ihaudit.attacks.numerics.transforms import Basis, low_frequencies


def test_low_frequencies_hold_the_lower_triangle() -> None:
    keep = low_frequencies((3, 32, 32))
    assert len(keep) == 3 * 32 * 33 // 2
    assert set(low_frequencies((1, 8, 8)).tolist()) == {8 * i + j for i in range(8) for j in range(8) if i + j < 8}


def test_dct_matches_scipy() -> None:
    x = np.random.default_rng(0).normal(size=(2, 1, 8, 12)).astype(np.float32)
    ours = transforms.dct(torch.from_numpy(x.reshape(2, -1)), (1, 8, 12)).numpy()
    theirs = dctn(x[:, 0], axes=(1, 2), norm="ortho").reshape(2, -1)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_basis_keeps_inner_products(channels: int) -> None:
    x = torch.randn(5, channels, 20, 28)
    y = Basis((channels, 20, 28)).forward(x)
    assert torch.allclose(y @ y.T, x.flatten(1) @ x.flatten(1).T, rtol=1e-4, atol=1e-2)
    assert (Basis((channels, 20, 28)).bands.sum(1) == 1).all()
