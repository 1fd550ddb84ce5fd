"""The most plausible image: better than regression from few pairs, and for filters with their borders."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ihaudit.attacks.numerics.known_pairs.filters import fit_filters
from ihaudit.attacks.numerics.known_pairs.prior import PriorInverse, fit_prior
from ihaudit.attacks.numerics.known_pairs.regression import fit_global
from ihaudit.metrics.ssim import ssim
from tests.games.inprocess import population


def projected(x: np.ndarray, seed: int = 1) -> np.ndarray:
    flat = x.reshape(len(x), -1)
    matrix = np.random.default_rng(seed).standard_normal((flat.shape[1], flat.shape[1] // 2))
    return (flat @ matrix).astype(np.float32)


def test_the_covariance_of_similar_images_helps_where_pairs_are_few() -> None:
    x = population()[0]
    private, known, similar = x[:20], x[20:80], x[80:]
    y, pairs = projected(private), projected(known)
    (found,) = fit_prior(known, pairs, similar)
    reached = ssim(np.clip(found(y), 0, 1), private).mean()
    without = max(ssim(np.clip(i(y), 0, 1), private).mean() for i in fit_global(known, pairs))
    assert reached > without + 0.05
    assert isinstance(found, PriorInverse)
    imagined = ssim(np.clip(found.imagined(private, np.random.default_rng(0)), 0, 1), private).mean()
    assert abs(float(imagined) - float(reached)) < 0.08


def test_few_pairs_or_similar_images_are_left_alone() -> None:
    x = population()[0]
    assert fit_prior(x[:9], projected(x[:9]), x[20:]) == [] and fit_prior(x[:40], projected(x[:40]), x[:3]) == []


@pytest.mark.parametrize("mode", ["nearest", "constant", "reflect"])
def test_a_filter_is_undone_up_to_the_border(mode: str) -> None:
    x = population()[0]
    y = gaussian_filter(x, (0, 1, 1, 0), mode=mode, truncate=2).astype(np.float32)
    (found,) = fit_filters(x[20:80], y[20:80], x[80:])
    assert "5 x 5" in found.words
    assert ssim(np.clip(found(y[:20]), 0, 1), x[:20]).mean() > 0.97


def test_what_is_no_filter_is_left_alone() -> None:
    x = population()[0]
    noise = np.random.default_rng(0).standard_normal(x.shape).astype(np.float32)
    for y in (noise, x[:, ::-1], (x > 0.5).astype(np.float32), projected(x)):
        assert fit_filters(x[:60], y[:60], x[80:]) == []
