"""Intervals: naive re-computation, and coverage from both sides (neither too narrow nor uselessly wide)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ihaudit.metrics.intervals import (
    mean_estimate,
    pigeonhole_mean,
    quantile,
    quantile_estimate,
    rate_difference,
    rate_estimate,
)
from tests.estimates import measured


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), st.floats(0.01, 1))
def test_quantile_says_how_many_lie_above(values: list[float], q: float) -> None:
    v = np.array(values)
    x = quantile(v, q)
    assert (v <= x).mean() >= q - 1e-9
    assert (v < x).mean() < q


def test_order_statistic_interval_against_brute_force() -> None:
    x = np.arange(100) / 100
    e = quantile_estimate(x, 0.9, floor=-1, ceiling=1)
    # P(X_(r) > xi) = P(Bin(100, .9) < r) and P(X_(s) < xi) = P(Bin(100, .9) >= s), each at most 2.5 %.
    r = max(r for r in range(1, 101) if stats.binom.cdf(r - 1, 100, 0.9) <= 0.025)
    s = min(s for s in range(1, 101) if stats.binom.sf(s - 1, 100, 0.9) <= 0.025)
    assert (e.value, e.low, e.high, e.n) == (0.89, x[r - 1], x[s - 1], 100)


@pytest.mark.parametrize(("q", "n"), [(0.5, 40), (0.9, 100), (0.9, 40)])
def test_quantile_interval_coverage(q: float, n: int) -> None:
    rng = np.random.default_rng(5)
    truth = stats.beta.ppf(q, 2, 5)
    misses = 0
    for _ in range(600):
        e = quantile_estimate(rng.beta(2, 5, n), q, floor=0, ceiling=1)
        misses += not e.low <= truth <= e.high
    # 5 % at most; and more than none, else the interval is uselessly wide.
    assert 1 < misses < 0.05 * 600 + 3 * np.sqrt(600 * 0.05 * 0.95)


def test_small_samples_get_the_range_of_the_score() -> None:
    e = quantile_estimate([0.2, 0.3, 0.4], 0.9, floor=-1, ceiling=1)
    # With probability 0.1 ** 3 all three lie above the 90 % quantile; none needs to.
    assert (e.low, e.high) == (0.2, 1)
    assert quantile_estimate([0.2], 0.9).low is None
    assert quantile_estimate([], 0.9).value is None


def test_the_best_image_is_its_own_lower_bound() -> None:
    e = quantile_estimate([0.1, 0.7, 0.3], 1.0, ceiling=1)
    assert (e.value, e.low, e.high) == (0.7, 0.7, 1.0)


def test_mean_interval_coverage() -> None:
    rng = np.random.default_rng(6)
    misses = 0
    for i in range(150):
        e = measured(mean_estimate(rng.beta(2, 5, 60), seed=i))
        misses += not e.low <= 2 / 7 <= e.high
    assert 0 < misses < 0.05 * 150 + 3 * np.sqrt(150 * 0.05 * 0.95)


def test_equal_scores_do_not_claim_certainty() -> None:
    e = mean_estimate(np.ones(100), floor=0, ceiling=1)
    assert e.value == e.high == 1
    # 100 of 100: the exact upper bound on the share that may differ, at 2.5 %.
    assert e.low == pytest.approx(0.025 ** (1 / 100))
    assert mean_estimate(np.ones(5)).low is None
    assert mean_estimate([]).value is None


def test_mean_is_deterministic() -> None:
    x = np.random.default_rng(0).random(30)
    assert mean_estimate(x, seed=3) == mean_estimate(x, seed=3)


def test_rates() -> None:
    e = rate_estimate(0, 100)
    assert e.low == 0
    assert e.high == pytest.approx(stats.beta.ppf(0.975, 1, 100))
    assert rate_estimate(0, 0).value is None
    d = measured(rate_difference(100, 100, 0, 100))
    assert d.value == 1
    assert 0.9 < d.low < 1
    assert measured(rate_difference(3, 100, 3, 100)).low < 0 < measured(rate_difference(3, 100, 3, 100)).high
    assert rate_difference(1, 10, 0, 0).value is None


def test_rate_difference_coverage() -> None:
    rng = np.random.default_rng(7)
    misses = 0
    for _ in range(200):
        e = measured(rate_difference(rng.binomial(80, 0.4), 80, rng.binomial(80, 0.1), 80))
        misses += not e.low <= 0.3 <= e.high
    assert misses <= 0.05 * 200  # conservative by design


def test_encodings_of_few_images_give_a_wide_interval() -> None:
    rng = np.random.default_rng(8)
    per_image = rng.normal(size=20)
    members = rng.integers(0, 20, (2000, 2))
    x = per_image[members].mean(axis=1)
    e = measured(pigeonhole_mean(x, members))
    naive = measured(mean_estimate(x))
    assert e.low < 0 < e.high or abs(e.value) > 0.3
    # 2,000 encodings of 20 images are about 20 observations, not 2,000.
    assert e.high - e.low > 4 * (naive.high - naive.low)
    assert pigeonhole_mean([], np.zeros((0, 2), int)).value is None
