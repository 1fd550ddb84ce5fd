"""Moves that an answer is fixed up to."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.metrics.alignment import moves
from tests.pictures import pictures


@pytest.mark.parametrize(
    ("ambiguity", "size"),
    [
        ((), 1),
        (("mirror",), 2),
        (("negative",), 2),
        (("turn",), 8),
        (("mirror", "negative"), 4),
        (("turn", "mirror"), 8),
    ],
)
def test_the_moves_are_a_group(ambiguity: tuple[str, ...], size: int) -> None:
    x = pictures(3, size=8)
    made = [move(x) for move in moves(ambiguity, x.shape[1:]).values()]
    assert len(made) == size
    np.testing.assert_array_equal(made[0], x)
    assert all(np.abs(a - b).max() > 0.1 for i, a in enumerate(made) for b in made[:i])
    for move in moves(ambiguity, x.shape[1:]).values():
        for y in made:
            assert min(float(np.abs(move(y) - z).max()) for z in made) < 1e-6


def test_oblong_pictures_keep_their_shape() -> None:
    x = pictures(2, size=8)[:, :6]
    ways = moves(("turn",), x.shape[1:])
    assert len(ways) == 4 and all(move(x).shape == x.shape for move in ways.values())


def test_other_words_are_refused() -> None:
    with pytest.raises(ValueError, match="mirror, turn, negative, not 'upside down'"):
        moves(("upside down",), (8, 8, 3))
