"""Shuffled tokens are put where they belong, and where they show no place they are left alone."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.numerics.known_pairs.tokens import unshuffled
from ihaudit.schemes.neuracrypt import NeuraCrypt
from tests.games.inprocess import population


def encoded(x: np.ndarray, shuffle: bool) -> np.ndarray:
    labels = np.zeros(len(x), np.int64)
    release = NeuraCrypt(shuffle=shuffle).encode(x, labels, x[:0], np.random.default_rng(3))
    return np.asarray(release.encodings, np.float32)


def test_tokens_that_carry_a_mark_of_their_place_are_put_there() -> None:
    x = population()[0][:150]
    y, wanted = encoded(x, True), encoded(x, False)
    found = unshuffled(x[30:], y[30:], y[:30])
    assert found is not None
    assert np.mean(np.isclose(np.concatenate([found[1], found[0]]), wanted).all(2)) > 0.9


def test_tokens_in_order_or_without_a_place_are_left_alone() -> None:
    x = population()[0][:150]
    noise = np.random.default_rng(0).standard_normal((150, 16, 24)).astype(np.float32)
    for y in (encoded(x, False), noise, x):
        assert unshuffled(x[30:], y[30:], y[:30]) is None
    assert unshuffled(x[:9], encoded(x[:9], True), noise[:9]) is None
