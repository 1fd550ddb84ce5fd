"""Neighbourhoods of encodings."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.numerics.neighbours import MOST, best_neighbourhood, prior_odds


def odds(near: np.ndarray, rng: np.random.Generator, strength: float = 2.0) -> np.ndarray:
    """Log odds of Gaussian evidence, exact: mean +-strength^2 / 2, deviation `strength`."""
    s = np.where(near, 0.5, -0.5) * strength**2 + strength * rng.standard_normal(near.shape)
    s = np.triu(s, 1)
    found: np.ndarray = s + s.T
    return found


def test_the_prior_is_the_share_of_neighbours() -> None:
    rng = np.random.default_rng(0)
    for share in (0.2, 0.5, 0.9):
        found = prior_odds([odds(rng.random((60, 60)) < share, rng) for _ in range(5)])
        assert abs(found - np.log(share / (1 - share))) < 0.35
    assert prior_odds([]) == 0 and prior_odds([np.zeros((1, 1))]) == 0
    assert prior_odds([np.full((20, 20), 9.0)]) == MOST


def test_the_largest_neighbourhood_is_taken() -> None:
    near = np.zeros((10, 10), bool)
    near[:6, :6] = near[6:, 6:] = True
    s = odds(near, np.random.default_rng(1), 6.0)
    assert best_neighbourhood(s).tolist() == [0, 1, 2, 3, 4, 5]
    assert best_neighbourhood(np.full((3, 3), -1.0)).tolist() in ([0], [1], [2])
    assert best_neighbourhood(np.zeros((1, 1))).tolist() == [0]
