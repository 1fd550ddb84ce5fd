"""Statistics: what keys leave alone stays, any shape has some, and log odds tell whose an encoding is."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.invariants.evidence import fit_group, means
from ihaudit.invariants.statistics import Layout, statistics
from tests.games.inprocess import population

IMAGES = population("tiny")[0][:40]
SHAPES = [
    (16, 16, 3),
    (28, 28, 1),
    (48, 40, 3),
    (9, 7, 3),
    (8, 8, 32),
    (12, 20),
    (50,),
    (2,),
    (3, 3, 1),
    (1,),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["real", "constant", "bytes"])
def test_every_shape_has_the_same_statistics_in_every_call(shape: tuple[int, ...], kind: str) -> None:
    rng = np.random.default_rng(0)

    def make(n: int) -> np.ndarray:
        values = {
            "real": rng.standard_normal((n, *shape)),
            "constant": np.full((n, *shape), 0.5),
            "bytes": rng.integers(0, 256, (n, *shape)) / 255,
        }
        return np.asarray(values[kind], np.float32)

    a, b = make(12), make(7)
    layout = Layout.of(a)
    for batch in (False, True):
        one, two = (statistics(v, layout, batch=batch) for v in (a, b))
        assert set(one) == set(two)
        for name in one:
            assert one[name].shape == (12, two[name].shape[1]) and np.isfinite(one[name]).all()
        some = sorted(one)[::2]
        again = statistics(a, layout, batch=batch, only=some)
        assert sorted(again) == some
        for name in some:
            np.testing.assert_allclose(again[name], one[name], rtol=1e-3, atol=1e-3)


def test_keys_leave_their_statistics_alone() -> None:
    rng = np.random.default_rng(1)
    layout = Layout.of(IMAGES)
    plain = statistics(IMAGES, layout)

    def same(changed: np.ndarray, *names: str) -> None:
        found = statistics(np.asarray(changed, np.float32), layout)
        for name in names:
            np.testing.assert_allclose(found[name], plain[name], atol=2e-3, err_msg=name)

    order = rng.permutation(256)
    same(IMAGES.reshape(40, 256, 3)[:, order].reshape(IMAGES.shape), "sorted", "channels", "sorted folded")
    negated = np.where(rng.integers(0, 2, IMAGES.shape[1:]) > 0, 1 - IMAGES, IMAGES)
    same(negated, "sorted folded", "magnitudes in place", "pixels in place")
    same(np.roll(IMAGES, 5, axis=1), "fourier")
    blocks = IMAGES.reshape(40, 4, 4, 4, 4, 3)[:, rng.permutation(4)]
    same(blocks.reshape(IMAGES.shape), "blocks of 4 sorted", "block spectrum")


def test_what_a_call_has_in_common_is_taken_off() -> None:
    layout = Layout.of(np.mod(IMAGES + np.random.default_rng(0).random(IMAGES.shape[1:]), 1))
    assert layout.circular
    a, b = (
        statistics(np.mod(IMAGES + np.random.default_rng(s).random(IMAGES.shape[1:]), 1), layout, batch=True)
        for s in (1, 2)
    )
    name = "less circular mean: values in place"
    np.testing.assert_allclose(a[name], b[name], atol=1e-2)
    assert np.abs(a["values in place"] - b["values in place"]).mean() > 0.05


def test_log_odds_tell_images_apart_and_are_symmetric_in_number() -> None:
    rng = np.random.default_rng(2)
    true = rng.standard_normal((60, 12)) * np.linspace(2, 0.2, 12)
    f = (true[:, None] + rng.standard_normal((60, 5, 12))).reshape(-1, 12).astype(np.float32)
    who = np.repeat(np.arange(60), 5)
    g = fit_group(f, who)
    assert g is not None and (np.diff(g.between) <= 1e-9).all()
    templates, counts = means(g.reduce(f), who, 60)
    fresh = g.reduce((true + rng.standard_normal(true.shape)).astype(np.float32))
    odds = g.odds(fresh, templates, counts)
    np.testing.assert_allclose(np.diag(odds), g.paired(fresh, templates, counts), rtol=1e-6)
    assert np.diag(odds).mean() > 0 > np.median(odds)
    assert (odds.argmax(1) == np.arange(60)).mean() > 0.3
    none = g.odds(fresh, templates, np.zeros(60))
    np.testing.assert_allclose(none, 0, atol=1e-9)  # no template says nothing


def test_noise_has_no_directions_to_speak_of() -> None:
    rng = np.random.default_rng(3)
    f, who = rng.standard_normal((400, 30)).astype(np.float32), np.repeat(np.arange(100), 4)
    g = fit_group(f, who)
    assert g is None or g.between.max() < 0.6
    assert fit_group(f, np.arange(400)) is None and fit_group(np.zeros((400, 3), np.float32), who) is None


def test_which_places_hold_the_same_number_outlives_other_names() -> None:
    rng = np.random.default_rng(3)
    named = rng.integers(0, 20, (30, 49)).astype(np.float32)
    renamed = np.stack([rng.permutation(20)[row.astype(int)] for row in named]).astype(np.float32)
    layout = Layout.of(named)
    assert layout.symbols
    one, two = (statistics(x, layout, only=["repeats"])["repeats"] for x in (named, renamed))
    np.testing.assert_array_equal(one, two)
    others = ((one[:, None] - one[None]) ** 2).sum(2) + 1e9 * np.eye(30)
    assert others.min() > 1
    for x in (named + 0.25, IMAGES, np.zeros((9, 49)), np.arange(9.0 * 49).reshape(9, 49), named[:, :3]):
        assert not Layout.of(np.asarray(x, np.float32)).symbols
