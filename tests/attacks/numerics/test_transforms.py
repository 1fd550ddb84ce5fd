"""The DCT and its low frequencies."""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import dctn

from ihaudit.attacks.numerics import transforms
from ihaudit.attacks.numerics.transforms import low_frequencies


def test_low_frequencies_hold_the_lower_triangle() -> None:
    keep = low_frequencies((3, 32, 32))
    assert len(keep) == 3 * 32 * 33 // 2
    assert set(low_frequencies((1, 8, 8)).tolist()) == {8 * i + j for i in range(8) for j in range(8) if i + j < 8}


def test_dct_matches_scipy() -> None:
    x = np.random.default_rng(0).normal(size=(2, 1, 8, 12)).astype(np.float32)
    ours = transforms.dct(torch.from_numpy(x.reshape(2, -1)), (1, 8, 12)).numpy()
    theirs = dctn(x[:, 0], axes=(1, 2), norm="ortho").reshape(2, -1)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
