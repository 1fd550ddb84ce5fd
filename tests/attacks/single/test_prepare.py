"""What the attack takes, and in which units."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.single.prepare import magnitudes, sign_coherence, units
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from tests.attacks.single.photographs import crops


def masked(x: np.ndarray, seed: int = 0) -> np.ndarray:
    result: np.ndarray = x * np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), x.shape)
    return result


def test_recognising_masks() -> None:
    x = 2 * crops("private", 10) - 1
    assert sign_coherence(x) > 0.85
    assert abs(sign_coherence(masked(x)) - 0.5) < 0.02
    magnitude, _ = magnitudes(View(masked(x), image_range=(-1, 1)), 7)
    np.testing.assert_allclose(magnitude, np.abs(x[:7]).transpose(0, 3, 1, 2))
    released_abs, _ = magnitudes(View(np.abs(x), image_range=(-1, 1)), 100)
    assert len(released_abs) == 10


@pytest.mark.parametrize(
    ("encodings", "image_range", "reason"),
    [
        (2 * crops("private", 4) - 1, (-1, 1), "no sign mask"),
        (crops("private", 4), (0, 1), "one sign"),
        (masked(crops("private", 4)), (-0.1, 2), "ranges around 0"),
        (np.zeros((4, 12, 12, 3)), (-1, 1), "at least 16 pixels"),
        (np.zeros((4, 32, 32, 4)), (-1, 1), "grey or colour"),
        (np.zeros((4, 100)), (-1, 1), "grey or colour"),
        (np.zeros((0, 32, 32, 3)), (-1, 1), "no encodings"),
        (masked(np.ones((4, 32, 32, 3), np.float32)), (-1, 1), "constant"),
    ],
)
def test_what_does_not_apply_is_said(encodings: np.ndarray, image_range: tuple[float, float], reason: str) -> None:
    with pytest.raises(NotApplicable, match=reason):
        magnitudes(View(np.asarray(encodings, np.float32), image_range=image_range), 100)


def test_units_go_both_ways() -> None:
    u = units((-2.0, 1.5))
    x = np.linspace(0, 1, 7, dtype=np.float32)
    np.testing.assert_allclose(u.shown(u.mixed(x)), x, atol=1e-6)
    assert u.mixed(np.zeros(1)) == -1 and u.mixed(np.ones(1)) == 0.75
