"""Groups of encodings that hold one public image."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.numerics.recurring import embed, groups, loadings, pairs
from ihaudit.attacks.numerics.transforms import Whitener
from tests.attacks.numerics.mixtures import ENCODINGS, Recurring


def test_groups_hold_one_public_image(recurring: Recurring) -> None:
    private, u, _, c, used = recurring
    left = (u - np.tensordot(c, private, 1)).astype(np.float32)
    unit = embed(left - left.mean(0), Whitener(u - u.mean(0)))
    first, second, value = pairs(unit)
    truly = (used[first] * used[second]).sum(1) > 0
    assert len(first) > 80 and truly.mean() > 0.97 and (value > 0.05).all() and (first < second).all()
    found = groups(ENCODINGS, first, second, value)
    assert np.mean([(used[m] > 0).all(0).any() for m in found]) > 0.85
    f = loadings(unit)
    assert f.shape == (ENCODINGS, len(found)) and f.dtype == np.float32 and 0 < f.data.min() <= f.data.max() < 1


def test_triangles_join_and_single_encodings_part() -> None:
    edges = [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4)]
    first, second = (np.array(x) for x in zip(*edges))
    assert sorted(m.tolist() for m in groups(6, first, second, np.linspace(1, 0.5, 5))) == [[0, 1, 2], [2, 3], [3, 4]]
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((300, 16, 16, 3)).astype(np.float32)
    assert loadings(embed(noise, Whitener(noise))).shape == (300, 0)
    assert loadings(np.zeros((2, 768), np.float32)).shape == (2, 0)
