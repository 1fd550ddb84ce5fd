"""Images and their columns."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.numerics.frame import Frame


@pytest.mark.parametrize("shape", [(32, 32, 3), (24, 40, 3), (16, 16, 1)])
def test_columns_and_images(shape: tuple[int, int, int]) -> None:
    frame = Frame(shape, 5)
    x = np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32)
    columns = frame.columns(x)
    np.testing.assert_allclose(frame.images(columns), x, atol=1e-5)
    h, w = frame.side
    assert columns.shape == (3, 3 * h * w) and h % 32 == w % 32 == 0
