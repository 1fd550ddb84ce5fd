"""Releases of moved images: what their moves are, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.nn.moved_releases import (
    ANGLES,
    MoveConfig,
    MovedReleases,
    Moves,
    accepted,
    sorted_coefficients,
)
from ihaudit.schemes.instahide import SecureDraws
from ihaudit.schemes.instahide_fdn import InstaHideFdn
from tests.data import load_images
from tests.nn.samples import pool


def sampler(config: MoveConfig | None = None) -> MovedReleases:
    return MovedReleases(pool(40), np.arange(40) // 20, pool(20, 1), config or MoveConfig())


def test_moves_move_images_and_say_how_far_apart_they_are() -> None:
    images = np.random.default_rng(0).random((3, 32, 32, 3)).astype(np.float32)
    moves = Moves(np.zeros(3), np.array([[0, 0], [2, -1], [-3, 4]]))
    found = moves.applied(images)
    np.testing.assert_array_equal(found[0], images[0])
    np.testing.assert_array_equal(found[1, 2:, :-1], images[1, :-2, 1:])
    np.testing.assert_array_equal(found[2, :-3, 4:], images[2, 3:, :-4])
    assert not found[1, :2].any() and not found[2, -3:].any()
    apart = moves[:, None].apart(moves[None])
    assert np.allclose(np.diag(apart), 0) and apart[1, 2] == pytest.approx(2 * 5 / 32)
    turned = Moves(np.array([0.0, 10.0]), np.zeros((2, 2), np.int64))
    assert turned[:1].apart(turned[1:])[0] == pytest.approx(np.sin(np.deg2rad(10)) + 1 - np.cos(np.deg2rad(10)))


def test_a_release_is_a_function_of_its_generator_and_keeps_its_word() -> None:
    batch = sampler().draw(np.random.default_rng(2), 60)
    again = sampler().draw(np.random.default_rng(2), 60)
    torch.testing.assert_close(batch.pairs.magnitude, again.pairs.magnitude, rtol=0, atol=0)
    facts, images = batch.pairs.facts, batch.pairs.images
    assert batch.pairs.magnitude.shape == (60, 3, 32, 32) and float(batch.pairs.magnitude.min()) >= 0
    assert facts.known and facts.moved and bool((images[:, 0] >= 0).all())
    assert torch.equal(facts.shared, images[:, 1] >= 0)
    assert len({int(i) // 20 for i in images[:, 0]}) == 1  # of one class
    assert float((facts.mass * (1 + facts.shared.float()) + facts.share).max()) < 1.001


def test_coefficients_keep_the_bounds_of_the_scheme() -> None:
    w = sorted_coefficients(np.random.default_rng(0), 500, 6)
    np.testing.assert_allclose(w.sum(1), 1, atol=1e-6)
    assert (np.diff(w, axis=1) <= 0).all() and w[:, 0].max() < 0.65 and w[:, :2].sum(1).min() > 0.3
    assert w.mean(0)[:2] == pytest.approx([0.297, 0.241], abs=0.01)  # measured of the released code


@pytest.mark.data
def test_angles_are_those_that_the_schemes_test_accepts() -> None:
    images = load_images("cifar10_eval")[0][:4]
    found = np.abs(np.concatenate([InstaHideFdn()._angles(x, SecureDraws(b"a"))[1:] for x in images]))
    drawn = np.abs(accepted(np.random.default_rng(0), 0.1, 4000))
    assert np.median(found) == pytest.approx(np.median(drawn), abs=1.2) and found.max() < 8
    assert all(len(levels) == 11 and list(levels) == sorted(levels) for levels in ANGLES.values())
