"""The published matching."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.single.prepare import units
from ihaudit.attacks.single.published import match_by_ssim
from tests.attacks.single.photographs import crops


def test_the_published_matching_finds_equal_weights() -> None:
    public, u = crops("public", 60), units((-1.0, 1.0))
    m = (u.mixed(public[:5]) + u.mixed(public[5:10])) / 2
    picks, rest = match_by_ssim(m.astype(np.float32), public, u.mixed, u.shown, k=2, count=2)
    hits = [set(p) == {i, i + 5} for i, p in enumerate(picks.tolist())]
    assert np.mean(hits) >= 0.6 and rest.shape == m.shape
    for i in np.flatnonzero(hits):
        assert np.abs(rest[i]).max() < 1e-5
