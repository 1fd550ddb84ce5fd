"""Tokens in a shuffled order are put in one order, which is as much as can be told."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.invariants.tokens import in_order


def test_tokens_with_places_are_ordered() -> None:
    rng = np.random.default_rng(0)
    plain = rng.standard_normal((1, 12, 16)) + 0.6 * rng.standard_normal((50, 12, 16))
    order = rng.random((50, 12)).argsort(1)
    found = in_order(np.take_along_axis(plain, order[:, :, None], axis=1))
    assert found is not None
    # one order for all rows, whichever it is
    place = ((found[:, :, None] - plain[:, None]) ** 2).sum(3).argmin(2)
    assert (place == np.median(place, axis=0)).mean() > 0.95


@pytest.mark.parametrize("shape", [(40, 30), (40, 8, 8, 3), (40, 3, 16), (40, 200, 16), (4, 12, 16), (40, 12, 4)])
def test_other_encodings_are_left_alone(shape: tuple[int, ...]) -> None:
    assert in_order(np.random.default_rng(1).standard_normal(shape)) is None


def test_constant_tokens_are_left_alone() -> None:
    assert in_order(np.zeros((20, 12, 16))) is None
