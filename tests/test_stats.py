"""Intervals and bounds: two-sided coverage on simulated scores, properties, and agreement with SciPy's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom, norm

from ihaudit import stats
from ihaudit.stats import Estimate
from tests.estimates import measured


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 3000))
    return draw(st.integers(0, n)), n


# ---------------------------------------------------------------- intervals


@given(counts(), st.floats(0.001, 0.5))
def test_clopper_pearson_is_scipys_beta_and_contains_the_rate(c: tuple[int, int], alpha: float) -> None:
    k, n = c
    low, high = stats.clopper_pearson(k, n, alpha)
    assert low <= k / n <= high
    assert low == pytest.approx(0.0 if k == 0 else beta.ppf(alpha / 2, k, n - k + 1), abs=1e-9)
    assert high == pytest.approx(1.0 if k == n else beta.ppf(1 - alpha / 2, k + 1, n - k), abs=1e-9)
    assert stats.clopper_pearson(n - k, n, alpha) == pytest.approx((1 - high, 1 - low), abs=1e-9)  # symmetry
    wider = stats.clopper_pearson(k, n, alpha / 2)
    assert wider[0] <= low and high <= wider[1]  # containment


@given(counts())
def test_advantage_is_monotone_and_in_range(c: tuple[int, int]) -> None:
    k, n = c
    e = measured(stats.advantage(k, n))
    assert -1 <= e.low <= e.value <= e.high <= 1 and e.n == n
    if k < n:
        more = measured(stats.advantage(k + 1, n))
        assert more.value > e.value and more.low >= e.low and more.high >= e.high


@given(counts(), counts())
def test_a_link_is_antisymmetric_and_contains_the_difference(a: tuple[int, int], b: tuple[int, int]) -> None:
    e, back = measured(stats.link_advantage(*a, *b)), measured(stats.link_advantage(*b, *a))
    assert e.low <= e.value <= e.high
    assert (back.low, back.value, back.high) == pytest.approx((-e.high, -e.value, -e.low))


@pytest.mark.parametrize("p", [0.5, 0.6, 0.9])
@pytest.mark.parametrize("n", [100, 1000])
def test_exact_coverage_of_the_advantage_is_neither_too_small_nor_too_large(p: float, n: int) -> None:
    """Summed over the binomial itself, not simulated: at least 95 %, and not much more than discreteness explains."""
    k = np.arange(n + 1)
    inside = [(measured(e).low <= 2 * p - 1 <= measured(e).high) for e in (stats.advantage(int(i), n) for i in k)]
    coverage = float(binom.pmf(k, n, p)[np.array(inside)].sum())
    assert 0.95 <= coverage <= 0.975


def test_coverage_of_links_on_simulated_scores() -> None:
    """Bonferroni on two exact intervals: conservative, but not absurdly so."""
    rng = np.random.default_rng(0)
    t, n, shift = 600, 400, 0.8
    cut = shift / 2
    truth = float(norm.cdf(cut) - norm.cdf(cut - shift))
    hits, widths = 0, []
    for _ in range(t):
        tp = int((rng.standard_normal(n) + shift > cut).sum())
        fp = int((rng.standard_normal(n) > cut).sum())
        e = measured(stats.link_advantage(tp, n, fp, n))
        hits += e.low <= truth <= e.high
        widths.append(e.high - e.low)
    low, _ = stats.clopper_pearson(hits, t, 0.001)
    assert low < 0.999 and hits / t >= 0.95
    optimal = 2 * 1.96 * math.sqrt(2 * norm.cdf(cut) * (1 - norm.cdf(cut)) / n)
    assert np.mean(widths) < 1.8 * optimal


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_coverage_of_the_area_under_the_curve(shift: float) -> None:
    rng = np.random.default_rng(1)
    truth, hits, t = float(norm.cdf(shift / math.sqrt(2))), 0, 500
    for _ in range(t):
        s = np.r_[rng.standard_normal(150) + shift, rng.standard_normal(150)]
        e = measured(stats.auc(s, np.arange(300) < 150))
        hits += e.low <= truth <= e.high
    low, high = stats.clopper_pearson(hits, t, 0.001)
    assert low <= 0.95 <= high


def test_coverage_of_a_mean() -> None:
    rng = np.random.default_rng(2)
    estimates = [stats.mean(rng.exponential(size=200)) for _ in range(500)]
    hits = sum(measured(e).low <= 1 <= measured(e).high for e in estimates)
    low, high = stats.clopper_pearson(hits, 500, 0.001)
    assert low <= 0.95 <= high


def test_empty_and_impossible_counts() -> None:
    assert stats.advantage(0, 0) == Estimate(None, -1, 1, 0)
    assert stats.mean([]) == Estimate(None)
    assert stats.auc([1.0, 2.0], [True, True]).value is None
    with pytest.raises(ValueError, match="5 successes in 4 trials"):
        stats.clopper_pearson(5, 4)
    with pytest.raises(ValueError, match="both classes"):
        stats.roc([1.0, 2.0], [True, True])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_against_its_definition(p: list[float]) -> None:
    adjusted = stats.holm(p)
    order = np.argsort(p, kind="stable")
    m, running = len(p), 0.0
    for rank, i in enumerate(order):
        running = max(running, (m - rank) * p[i])
        assert adjusted[i] == pytest.approx(min(1.0, running))
    assert np.all(adjusted >= np.asarray(p) - 1e-12) and np.all(adjusted <= np.minimum(1, m * np.asarray(p)) + 1e-12)


def test_ties_give_neither_a_corner_nor_an_area() -> None:
    r = stats.roc(np.zeros(10), np.arange(10) < 5)
    assert r.fpr.tolist() == [0, 1] and r.tpr.tolist() == [0, 1]
    assert stats.auc(np.zeros(10), np.arange(10) < 5).value == 0.5


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_auc_is_the_area_under_the_roc(pairs: list[tuple[int, bool]]) -> None:
    s, y = np.array([p[0] for p in pairs], float), np.array([p[1] for p in pairs])
    if y.all() or not y.any():
        return
    r = stats.roc(s, y)
    assert stats.auc(s, y).value == pytest.approx(float(np.trapezoid(r.tpr, r.fpr)))
    assert np.all(np.diff(r.fpr) >= 0) and np.all(np.diff(r.tpr) >= 0)


# ---------------------------------------------------------------- epsilon


@given(counts(), counts(), st.floats(0, 0.1))
def test_eps_lower_is_symmetric_and_below_its_ceiling(a: tuple[int, int], b: tuple[int, int], delta: float) -> None:
    (tp, p), (fp, n) = a, b
    e = stats.eps_lower(tp, p, fp, n, delta)
    assert 0 <= e <= stats.eps_ceiling(p, n, delta) + 1e-9
    assert e == pytest.approx(stats.eps_lower(n - fp, n, p - tp, p, delta))  # roles of the two data sets
    assert stats.eps_lower(tp, p, fp, n, delta / 2) >= e - 1e-12
    if tp < p:
        assert stats.eps_lower(tp + 1, p, fp, n, delta) >= e - 1e-9


def test_ceilings_as_documented() -> None:
    assert [round(stats.eps_ceiling(t // 2, t // 2), 1) for t in (500, 1000, 2000, 4000, 20000)] == [
        4.2,
        4.9,
        5.6,
        6.3,
        7.9,
    ]


@given(st.floats(0.01, 20), st.floats(0, 0.05))
def test_advantage_and_epsilon_invert(epsilon: float, delta: float) -> None:
    adv = stats.max_advantage(epsilon, delta)
    assert 0 <= adv <= 1
    if adv < 0.999999:
        assert stats.eps_from_advantage(adv, delta) == pytest.approx(epsilon, rel=1e-4, abs=1e-4)
    with pytest.raises(ValueError):
        stats.eps_from_advantage(1.1)


@given(st.floats(0.1, 20), st.floats(1e-8, 1e-2), st.floats(0.1, 10))
def test_gaussian_sigma_and_delta_invert(epsilon: float, delta: float, sensitivity: float) -> None:
    sigma = stats.gaussian_sigma(epsilon, delta, sensitivity)
    assert stats.gaussian_delta(sensitivity / sigma, epsilon) == pytest.approx(delta, rel=1e-5)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
def test_gaussian_sigma_is_the_least_that_keeps_epsilon_and_delta(epsilon: float) -> None:
    sigma = stats.gaussian_sigma(epsilon, 1e-5, 2.0)
    assert stats.gaussian_delta(2.0 / sigma, epsilon) == pytest.approx(1e-5, rel=1e-6)
    assert stats.gaussian_delta(2.0 / (0.99 * sigma), epsilon) > 1e-5
    # The privacy profile by direct integration: delta = E_P[(1 - e^eps q/p)+], loss ~ N(mu^2/2, mu^2).
    mu = 2.0 / sigma
    loss = norm(mu**2 / 2, mu)
    grid = np.linspace(epsilon, mu**2 / 2 + 12 * mu + epsilon, 400_001)
    direct = np.trapezoid(loss.pdf(grid) * (1 - np.exp(epsilon - grid)), grid)
    assert direct == pytest.approx(1e-5, rel=1e-2)


def test_gaussian_sigma_known_values() -> None:
    """Unit norm, sensitivity 2, delta 1e-5: the table of the documentation, recomputed."""
    for epsilon, sigma in ((0.5, 14.1), (1, 7.46), (2, 3.99), (4, 2.16), (8, 1.20), (16, 0.69)):
        assert stats.gaussian_sigma(epsilon, 1e-5, 2.0) == pytest.approx(sigma, rel=0.01)


@pytest.mark.parametrize("epsilon", [1.0, 2.0, 4.0])
def test_dp_calibration_measured_epsilon_exceeds_the_truth_in_at_most_5_percent_of_200_audits(epsilon: float) -> None:
    """Gaussian noise of known epsilon, worst pair, likelihood-ratio scores, threshold on other trials."""
    rng = np.random.default_rng(int(epsilon * 10))
    delta, trials = 1e-5, 1000
    mu = 2.0 / stats.gaussian_sigma(epsilon, delta, 2.0)
    truth_adv = stats.gaussian_delta(mu, 0.0)  # the total variation between the two
    audits = 200
    exceed = {"cp": 0, "adv": 0, "one-run": 0}
    covered, lows = 0, []
    for _ in range(audits):
        early1, early0 = np.sort(rng.standard_normal(trials) + mu), np.sort(rng.standard_normal(trials))
        s1, s0 = rng.standard_normal(trials) + mu, rng.standard_normal(trials)
        grid = np.quantile(early0, np.linspace(0.5, 0.99, 12))
        best = max(
            grid,
            key=lambda t: stats.eps_lower(
                trials - int(np.searchsorted(early1, t)),
                trials,
                trials - int(np.searchsorted(early0, t)),
                trials,
                delta,
            ),
        )
        tp, fp = int((s1 > best).sum()), int((s0 > best).sum())
        low = stats.eps_lower(tp, trials, fp, trials, delta)
        lows.append(low)
        exceed["cp"] += low > epsilon
        bits = rng.integers(2, size=2 * trials).astype(bool)
        score = rng.standard_normal(2 * trials) + mu * (bits - 0.5)
        e = measured(stats.advantage(int(((score > 0) == bits).sum()), 2 * trials))
        covered += e.low <= truth_adv <= e.high
        exceed["adv"] += stats.eps_from_advantage(e.low, delta) > epsilon
        exceed["one-run"] += stats.one_run_grid(score, bits, [20, 100, 500], delta).epsilon > epsilon
    assert all(v <= 0.05 * audits for v in exceed.values()), exceed
    assert 0.90 <= covered / audits <= 0.995  # two-sided: an interval that always covers is wrong too
    assert np.mean(lows) > 0.02 * epsilon  # and a bound that is always 0 would be useless


# ---------------------------------------------------------------- one run


def naive_p(m: int, r: int, v: int, eps: float, delta: float) -> float:
    """The paper's pseudo-code, slowly."""
    q = 1 / (1 + math.exp(-eps))
    b = binom.sf(v - 1, r, q)
    total, worst = 0.0, 0.0
    for i in range(1, v + 1):
        total += binom.pmf(v - i, r, q)
        worst = max(worst, total / i)
    return float(min(1, b + 2 * m * delta * worst))


@given(st.integers(1, 200), st.data(), st.floats(0, 5), st.sampled_from([0.0, 1e-6, 1e-3]))
def test_one_run_p_value_against_a_slow_one(m: int, data: st.DataObject, eps: float, delta: float) -> None:
    r = data.draw(st.integers(1, m))
    v = data.draw(st.integers(0, r))
    assert stats.one_run_pvalue(m, r, v, eps, delta) == pytest.approx(naive_p(m, r, v, eps, delta), abs=1e-9)


@given(st.integers(2, 300), st.data())
def test_one_run_epsilon_is_monotone_and_tight(m: int, data: st.DataObject) -> None:
    r = data.draw(st.integers(1, m))
    v = data.draw(st.integers(0, r - 1))
    e = stats.one_run_epsilon(m, r, v, 1e-5)
    assert stats.one_run_epsilon(m, r, v + 1, 1e-5) >= e - 1e-3
    assert stats.one_run_epsilon(m, r, v, 1e-3) <= e + 1e-3
    if e > 0:
        assert stats.one_run_pvalue(m, r, v, e, 1e-5) < 0.05 <= stats.one_run_pvalue(m, r, v, e + 2e-3, 1e-5)


def test_one_run_is_valid_under_dependence_where_an_interval_is_not() -> None:
    """One draw moves all scores of a call together; the bits are independent of everything, so epsilon is 0."""
    rng = np.random.default_rng(3)
    audits, m, false_one_run = 400, 200, 0
    for _ in range(audits):
        bits = rng.integers(2, size=m).astype(bool)
        shared = rng.standard_normal()  # one draw moves all scores: maximal dependence, no information
        score = shared + 0.01 * rng.standard_normal(m)
        false_one_run += stats.one_run_grid(score, bits, [10, 50, 200]).epsilon > 0
    assert stats.clopper_pearson(false_one_run, audits, 0.002)[0] <= 0.05


def test_one_run_under_dependence_at_a_true_epsilon() -> None:
    """Randomised response of epsilon = 1 per bit; which slots are guessed first depends on all outputs together."""
    rng = np.random.default_rng(4)
    audits, m, q = 300, 200, math.e / (1 + math.e)
    exceed = 0
    for _ in range(audits):
        bits = rng.integers(2, size=m).astype(bool)
        out = np.where(rng.random(m) < q, bits, ~bits)
        majority = out.mean() > 0.5  # confidence depends on all other outputs
        score = np.where(out, 1.0, -1.0) * np.where(out == majority, 2.0, 1.0)
        exceed += stats.one_run_grid(score, bits, [50, 100, 200]).epsilon > 1.0
    assert exceed <= 0.05 * audits + 3 * math.sqrt(audits * 0.05 * 0.95)
    assert 0.7 < stats.one_run_epsilon(1000, 1000, int(1000 * q)) < 1.0  # and it is not far below


def test_a_tie_is_never_a_right_guess() -> None:
    run = stats.one_run_grid(np.zeros(50), np.ones(50, bool), [50])
    assert run.epsilon == 0 and run.right == 0
    with pytest.raises(ValueError, match="no number of guesses"):
        stats.one_run_grid(np.zeros(5), np.ones(5, bool), [50])
