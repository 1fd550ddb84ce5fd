"""Rows that are recognised teach the others; where nothing is recognised nothing is made of it."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.numerics.identity.alignment import Codes, Known, align, assign
from tests.games.inprocess import population

IMAGES = population("tiny")[0][:120]


def projected(images: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    flat = images.reshape(len(images), -1)
    encoded: np.ndarray = (flat - flat.mean()) @ rng.standard_normal((flat.shape[1], 300)).astype(np.float32)
    return encoded


def test_a_fifth_recognised_shows_the_rest() -> None:
    rng, n = np.random.default_rng(1), 60
    rows = projected(IMAGES[:n], 2)
    codes = Codes.of(IMAGES)(IMAGES)
    scores = np.zeros((n, len(IMAGES)))
    for i in range(0, n, 4):
        scores[i, i] = 8.0
    scores += 0.1 * rng.standard_normal(scores.shape)
    before, after = ((assign(s) == np.arange(n)).mean() for s in (scores, align(rows, scores, codes)))
    assert before < 0.35 and after > 0.8


def test_known_pairs_alone_are_enough() -> None:
    n = 60
    rows = projected(IMAGES, 3)
    codes = Codes.of(IMAGES)
    known = Known(rows[80:], codes(IMAGES[80:]))
    found = align(rows[:n], np.zeros((n, 80)), codes(IMAGES[:80]), known)
    assert (assign(found) == np.arange(n)).mean() > 0.8


def test_noise_teaches_nothing() -> None:
    rng, n = np.random.default_rng(4), 60
    hits = []
    for _ in range(10):
        noise, scores = rng.standard_normal((n, 300)), rng.standard_normal((n, 120))
        hits.append((assign(align(noise, scores, Codes.of(IMAGES)(IMAGES))) == np.arange(n)).mean())
    assert 0 <= np.mean(hits) < 0.03


def test_one_image_a_row_and_more_rows_than_images() -> None:
    scores = np.random.default_rng(0).standard_normal((7, 4))
    chosen = assign(scores)
    assert sorted(chosen[chosen >= 0]) == [0, 1, 2, 3] and (chosen < 0).sum() == 3
