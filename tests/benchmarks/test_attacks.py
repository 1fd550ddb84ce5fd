"""The scores that benchmarks print."""

from __future__ import annotations

import numpy as np

from ihaudit.metrics.ssim import ssim_challenge
from tests.attacks.releases import photographs
from tests.benchmarks.attacks import scores


def test_scores_helper_is_one_for_the_truth() -> None:
    images, _ = photographs(6, 1, 16)
    assert np.allclose(scores(images[::-1].copy(), images), 1, atol=1e-5)
    assert np.allclose(ssim_challenge(images, images), 1, atol=1e-6)
