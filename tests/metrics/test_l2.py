"""L2 as the challenge takes it, and PSNR against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from ihaudit.metrics import l2, psnr


def test_l2_is_the_mean_squared_error_on_minus_one_to_one() -> None:
    a, b = np.zeros((1, 4, 4, 3)), np.ones((1, 4, 4, 3))
    assert l2(a, b) == pytest.approx([4.0])
    rng = np.random.default_rng(0)
    x, y = rng.random((6, 5, 7, 3)), rng.random((6, 5, 7, 3))
    assert l2(x, y) == pytest.approx((((2 * x - 1) - (2 * y - 1)) ** 2).mean(axis=(1, 2, 3)))


def test_psnr_equals_scikit_image_and_has_a_ceiling() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.random((6, 5, 7, 3)), rng.random((6, 5, 7, 3))
    assert psnr(x, y) == pytest.approx([peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(x, y)])
    assert psnr(x, x) == pytest.approx([100.0] * 6)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        l2(np.zeros((2, 4, 4, 1)), np.zeros((3, 4, 4, 1)))
