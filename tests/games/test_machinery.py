"""Challenger, learners, codes, filters, thresholds, resuming: what the games stand on."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting
from ihaudit.contracts.learner import learner
from ihaudit.errors import NotApplicable
from ihaudit.games import base
from ihaudit.games.adversary import training
from ihaudit.games.adversary.components import components
from ihaudit.games.challenger import Challenger, draw_pairs, pick_rows, same_label_partner, split
from ihaudit.games.distinguisher import guess
from ihaudit.games.filters import Bank
from ihaudit.games.learners.features import features, pool2d
from ihaudit.games.learners.ridge import RidgeLearner, ridge_batch
from ihaudit.registry import load, unregister
from ihaudit.release import Release
from ihaudit.results import Finding
from ihaudit.schemes.constant import Constant
from ihaudit.schemes.identity import Identity
from ihaudit.schemes.instahide import InstaHide
from ihaudit.schemes.mixup import MixUp
from ihaudit.stats import Estimate
from tests.games.inprocess import Custom, one_hot, play, population, setting

# ---------------------------------------------------------------- challenger


def test_pools_are_disjoint_and_the_same_for_all_games() -> None:
    s = setting(Identity())
    a, b = split(s, Context(1)), split(s, Context(2))
    assert np.array_equal(a.estimate, b.estimate)
    assert len(np.unique(np.concatenate([a.train, a.select, a.estimate]))) == len(s.images)
    assert not np.array_equal(a.train, split(s, Context(1, options={"audit_seed": 5})).train)


def test_one_row_each_shows_the_image_that_was_asked_for() -> None:
    s = setting(Identity())
    c = Challenger(s, Context(1), split(s, Context(1)))
    rng = np.random.default_rng(0)
    who = rng.choice(c.pools.estimate, size=300)
    rows = c.one_row_each(who, c.pools.estimate, rng)
    assert np.array_equal(rows.pixels, s.images[who]) and np.array_equal(rows.images, who)
    assert rows.pixels.dtype == np.float32 and rows.pixels.flags.c_contiguous


def test_calls_hold_an_image_once_and_at_least_a_hundred() -> None:
    s = setting(MixUp(k=2, epochs=1))
    c = Challenger(s, Context(1), split(s, Context(1)))
    rng = np.random.default_rng(0)
    who = rng.choice(c.pools.train, size=500)
    calls = c.calls(who, c.pools.train, rng)
    asked = np.sort(np.concatenate([r[r >= 0] for _, r in calls]))
    assert np.array_equal(asked, np.arange(500))
    for members, request in calls:
        assert len(np.unique(members)) == len(members) >= 100
        assert np.array_equal(members[request >= 0], who[request[request >= 0]])


def test_under_a_key_every_challenge_has_a_call_of_its_own() -> None:
    s = setting(Identity(), key="release")
    c = Challenger(s, Context(1), split(s, Context(1)))
    calls = c.calls(c.pools.estimate[:50], c.pools.estimate, np.random.default_rng(0), alone=True)
    assert len(calls) == 50 and all((r >= 0).sum() == 1 for _, r in calls)


def test_rows_without_provenance_are_linked_by_place() -> None:
    def twice(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
        return Release(np.repeat(images, 2, axis=0), one_hot(np.repeat(labels, 2)))

    s = setting(Custom(twice))
    c = Challenger(s, Context(1), split(s, Context(1)))
    assert c.layout == "j // T" and c.rows_per_image == 2
    assert play("instance", s, options={"control": True})[0].status == "broken"


def test_rows_that_cannot_be_linked_are_not_run_with_the_remedy() -> None:
    def odd(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
        return Release(np.concatenate([images, images[:1]]), None)

    with pytest.raises(NotApplicable, match="Provenance"):
        play("instance", setting(Custom(odd)))


@given(st.integers(2, 6), st.integers(1, 3), st.integers(0, 2**31))
def test_pick_rows_only_picks_rows_that_depend_on_the_image(n: int, repeat: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sources = np.concatenate([rng.permutation(n), rng.integers(-1, n, size=4)])[:, None]
    sources = np.c_[sources, rng.integers(-1, n, size=len(sources))]
    rows, places = pick_rows(sources, n, rng, repeat)
    assert len(rows) == n * repeat
    for r, (image, _) in zip(rows, places, strict=True):
        assert image in sources[r]


def test_an_image_in_no_row_is_an_error() -> None:
    with pytest.raises(NotApplicable, match="1 of 3 images"):
        pick_rows(np.array([[0], [1]]), 3, np.random.default_rng(0))


@given(st.integers(0, 2**31))
def test_pairs_share_a_label_and_differ(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=60)
    labels[:6] = [0, 0, 1, 1, 2, 2]
    pool = np.r_[np.arange(6), 6 + rng.permutation(54)[:20]]
    a, b = draw_pairs(pool, labels, 100, rng)
    assert np.array_equal(labels[a], labels[b]) and np.all(a != b)
    assert np.isin(a, pool).all() and np.isin(b, pool).all()
    p = same_label_partner(a, pool, labels, rng)
    assert np.all(p != a) and np.array_equal(labels[p], labels[a])


def test_pairs_are_uniform_over_ordered_pairs_of_equal_label() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0, 0, 1, 1, 1])
    a, b = draw_pairs(np.arange(5), labels, 40_000, rng)
    counts = np.bincount(5 * a + b, minlength=25).reshape(5, 5)
    expected = np.where((labels[:, None] == labels) & ~np.eye(5, dtype=bool), 40_000 / 8, 0)
    assert np.all(counts[expected == 0] == 0)
    assert np.all(np.abs(counts - expected)[expected > 0] < 5 * np.sqrt(5000))


# ---------------------------------------------------------------- learners, codes, filters


def test_pooling_is_the_mean_of_blocks() -> None:
    x = np.random.default_rng(0).random((3, 32, 30, 2)).astype(np.float32)
    assert np.allclose(pool2d(x, 10), x[:, :30].reshape(3, 10, 3, 10, 3, 2).mean((2, 4)), atol=1e-6)
    assert np.allclose(pool2d(x, 32), x)


@pytest.mark.parametrize("rows", [60, 400])
def test_ridge_in_both_forms_is_the_same_regression(rows: int) -> None:
    """60 rows take the dual, 400 the primal; both must match the normal equations."""
    rng = np.random.default_rng(1)
    f = rng.standard_normal((rows, 80)).astype(np.float32)
    y = (f[:, :3] + 0.1 * rng.standard_normal((rows, 3))).astype(np.float32)
    m = RidgeLearner(penalties=(0.1,)).fit_features(f, y, np.arange(rows))
    x = (f - f.mean(0)) / f.std(0)
    w = np.linalg.solve(x.T @ x + 0.1 * rows * np.eye(80), x.T @ (y - y.mean(0)))
    assert np.allclose(m.predict_features(f), x @ w + y.mean(0), atol=2e-3)
    assert np.corrcoef(m.held_out[:, 0], y[:, 0])[0, 1] > 0.5  # honest predictions, and of use


def test_held_out_predictions_are_honest() -> None:
    """On targets that are noise, they do not correlate with the targets (the fit itself does)."""
    rng = np.random.default_rng(2)
    f, y = rng.standard_normal((300, 200)).astype(np.float32), rng.standard_normal((300, 5)).astype(np.float32)
    m = RidgeLearner().fit_features(f, y, np.arange(300) // 3)
    assert abs(np.mean(m.held_out * (y - y.mean(0)))) < 0.1
    assert np.mean(m.predict_features(f) * y) > 0.05


def test_the_batch_of_small_trainings_is_a_ridge_regression() -> None:
    rng = np.random.default_rng(3)
    for n in (20, 100):  # dual and primal
        f, y = rng.standard_normal((2, n, 40)).astype(np.float32), rng.standard_normal((2, n)).astype(np.float32)
        w, b = ridge_batch(f, y, 0.05)
        x = (f[1] - f[1].mean(0)) / f[1].std(0)
        v = np.linalg.solve(x.T @ x + 0.5 * n * np.eye(40), x.T @ (y[1] - y[1].mean()))
        assert np.allclose(f[1] @ w[1] + b[1], x @ v + y[1].mean(), atol=1e-3)


def test_concepts_are_balanced_and_nearly_uncorrelated() -> None:
    images = population()[0] * 2 - 1
    for family in ("raw", "magnitude"):
        c = components(images, family, 16)
        bits = c.bits(images).astype(float)
        assert np.all(np.abs(bits.mean(0)) < 0.02)
        off = np.corrcoef(c.code(images), rowvar=False) - np.eye(16)
        assert np.abs(off).max() < 1e-2 and np.allclose(c.code(images).std(0), 1, atol=1e-2)


@pytest.mark.parametrize("shape", [(5,), (4, 4, 1), (16, 16, 3), (17, 19, 1)])
def test_features_and_filters_take_any_shape(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal((7, *shape)).astype(np.float32)
    assert np.isfinite(features(x)).all() and len(features(x)) == 7
    bank = Bank.fitting(shape, shape)
    s = bank.paired(x, x, [np.arange(len(x)), np.arange(len(x))[::-1]])
    assert np.allclose(s[:, 0], 1, atol=1e-3) and np.all(np.abs(s) <= 1.001)
    w = np.arange(1, len(bank) + 1, dtype=np.float32)
    assert np.allclose(np.diag(bank.cross(x, x, w)), w.sum(), rtol=1e-3)
    assert len(Bank.fitting(shape, (9, 9, 9))) == 0


def test_squares_do_not_see_a_sign_mask() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 16, 16, 3)).astype(np.float32)
    mask = rng.choice(np.array([-1, 1], np.float32), x.shape)
    bank = Bank.fitting(x.shape[1:], x.shape[1:])
    i = list(bank.filters).index("square: high")
    assert np.allclose(bank.paired(x * mask, x, [np.arange(len(x))])[:, 0, i], 1, atol=1e-4)
    assert np.all(
        np.abs(bank.paired(x * mask, x, [np.arange(len(x))])[:, 0, list(bank.filters).index("value: high")]) < 0.3
    )


# ---------------------------------------------------------------- words, ties, self-test


def test_ties_are_broken_by_a_fair_coin() -> None:
    rng = np.random.default_rng(0)
    guessed = guess(np.r_[np.zeros(2000), np.full(2000, np.nan)], rng)
    assert abs(guessed[:2000].mean() - 0.5) < 0.05 and abs(guessed[2000:].mean() - 0.5) < 0.05
    assert guess(np.array([-1.0, 1.0]), rng).tolist() == [False, True]


def test_words_follow_the_lower_bound() -> None:
    s = setting(Constant())
    assert base.word(Estimate(0.2, 0.06, 0.3, 100), s) == ("broken", "")
    assert "distinguishable" in base.word(Estimate(0.06, 0.04, 0.08, 9000), s)[1]
    assert base.word(Estimate(0.12, 0.004, 0.234, 300), s) == ("no break found", "")  # once in 40 for a perfect cipher
    assert base.word(Estimate(0.0, -0.1, 0.1, 100), s) == ("no break found", "")
    assert "below 0" in base.word(Estimate(-0.2, -0.3, -0.1, 100), s)[1]
    assert base.word(Estimate(None), s)[0] == "inconclusive"
    dp = replace(s, mechanism="gaussian", parameters={"epsilon": 2.0, "delta": 1e-5})
    assert base.threshold(dp) == pytest.approx(np.tanh(1), abs=1e-4)


def test_a_floor_above_the_measurement_is_the_audits_own_error() -> None:
    f = Finding(id="x", kind="game", title="x", status="broken")
    base.self_test(f, 0.5, Estimate(0.2, 0.1, 0.3, 10), "the rule")
    assert f.status == "inconclusive" and "self-test failed" in f.reason and not f.details["self_test"]["holds"]
    g = Finding(id="x", kind="game", title="x", status="broken")
    base.self_test(g, 0.25, Estimate(0.2, 0.1, 0.3, 10), "the rule")
    assert g.status == "broken" and g.details["self_test"]["holds"]


def test_every_game_is_registered_with_what_a_list_needs() -> None:
    games = load("game")
    names = "checks instance neighbour one-run side-channel dataset concept pair membership marginals"
    assert set(games) >= set(names.split())
    for id_, cls in games.items():
        assert cls.id == id_ and cls.title and cls.reference and cls.needs and cls.profiles
    quick = {k for k, v in games.items() if "quick" in v.profiles}
    assert {"checks", "instance", "neighbour", "one-run"} <= quick and "concept" not in quick


@pytest.mark.parametrize("game", sorted(load("game")))
def test_every_game_answers_on_a_small_population_in_strict_json(game: str) -> None:
    for f in play(game, setting(InstaHide(k=4, epochs=2)), options={"train_rows": 300, "trials": 150}):
        assert f.status != "inconclusive", f.reason
        assert f.sentence and f.model_dump_json()
        assert f.primary is None or f.primary in f.metrics
        assert all(len(r) == len(t["columns"]) for t in [f.details.get("table")] if t for r in t["rows"])


@pytest.mark.parametrize("game", sorted(load("game")))
def test_too_few_images_are_a_reason_not_an_error(game: str) -> None:
    s = setting(Identity())
    small = GameSetting(s.encoder, s.images[:60], s.labels[:60], s.n_classes)
    with pytest.raises(NotApplicable, match="at least 240 images like the private ones; there are 60"):
        play(game, small)


# ---------------------------------------------------------------- resuming, repeating


def test_same_seed_same_numbers_and_other_seed_others() -> None:
    options = {"train_rows": 300, "trials": 150}
    a, b, c = (play("instance", setting(InstaHide(k=4, epochs=1)), seed=s, options=options)[0] for s in (1, 1, 2))
    assert a.metrics == b.metrics and a.details == b.details
    assert a.metrics != c.metrics


def test_finished_trial_sets_are_reused(tmp_path: Path) -> None:
    options = {"train_rows": 300, "trials": 150}
    s = setting(InstaHide(k=4, epochs=1))
    first = play("instance", s, checkpoints=tmp_path, options=options)[0]
    files = sorted(p.name for p in tmp_path.iterdir())
    assert len(files) == 2 and any("estimate" in f for f in files)
    encoder: Any = s.encoder
    encoder.calls = 0
    again = play("instance", s, checkpoints=tmp_path, options=options)[0]
    assert again.metrics == first.metrics and encoder.calls == 0
    other = play("instance", s, seed=9, checkpoints=tmp_path, options=options)[0]
    assert other.metrics != first.metrics and encoder.calls > 0
    damaged = tmp_path / files[0]
    damaged.write_bytes(b"not a file of arrays")
    assert play("instance", s, checkpoints=tmp_path, options=options)[0].metrics == first.metrics


def test_progress_is_reported() -> None:
    seen: list[tuple[str, float | None]] = []
    play("instance", setting(Identity()), progress=lambda m, f=None: seen.append((m, f)), options={"control": True})
    assert len({m for m, _ in seen}) >= 3 and all(f is None or 0 <= f <= 1 for _, f in seen)


def test_the_convolutional_learner_learns_and_keeps_honest_predictions() -> None:
    from ihaudit.games.learners.convolutional import ConvLearner

    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 8, 8, 1)).astype(np.float32)
    bright = np.sign(rng.standard_normal(400)).astype(np.float32)
    x += bright[:, None, None, None]
    y = np.stack([bright, np.sign(rng.standard_normal(400))], axis=1).astype(np.float32)
    m = ConvLearner(width=4, epochs=6, batch=32).fit(x, y, np.arange(400) // 2, seed=1)
    assert m.held_out.shape == (len(m.held_out_rows), 2)
    right = (m.held_out > 0) == (y[m.held_out_rows] > 0)
    assert right[:, 0].mean() > 0.9 and right[:, 1].mean() < 0.72
    again = ConvLearner(width=4, epochs=6, batch=32).fit(x, y, np.arange(400) // 2, seed=1)
    assert np.allclose(again.predict(x), m.predict(x), atol=1e-5)


def test_a_learner_of_ones_own_is_used() -> None:
    class Mine:
        used = 0

        def fit(self, encodings: np.ndarray, targets: np.ndarray, groups: np.ndarray, seed: int) -> Any:
            Mine.used += 1
            return RidgeLearner(side=4).fit(encodings, targets, groups, seed)

    learner("mine")(lambda ctx: Mine())
    f, use = play("instance:learner=mine", setting(Identity()), options={"control": True})
    unregister("learner", "mine")
    assert Mine.used == 1 and f.status == "broken"
    assert (f.id, use.id) == ("instance:learner=mine", "instance-utility:learner=mine")


def test_what_is_trained_is_shared_between_games_of_the_same_learner() -> None:
    s, options = setting(Identity()), {"control": True}
    encoder: Any = s.encoder
    play("instance", s, options=options)
    calls = encoder.calls
    play("one-run:learner=ridge", s, options=options)
    assert encoder.calls == calls + 1


def test_what_games_shared_does_not_outlive_them() -> None:
    class Played:
        """An encoder, which the shared training refers to."""

    encoder = Played()
    training._SHARED[encoder] = {(): encoder}  # type: ignore[dict-item]
    training.forget(encoder)  # type: ignore[arg-type]
    gone = weakref.ref(encoder)
    del encoder
    assert gone() is None
