"""Streams are followed through gaps and backwards, and a wrong one unmasks nothing."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import INTERLEAVED, NHWC, PLAIN, Convention
from ihaudit.attacks.prng.stream import Stream, unmask
from tests.attacks.prng.helpers import signs


@pytest.mark.parametrize("convention", [PLAIN[0], PLAIN[2], INTERLEAVED[0]])
def test_stream_with_gaps_is_followed(plain: np.ndarray, convention: Convention) -> None:
    per, size = 16, 3072
    words = mt.generate(mt.init_genrand(5), 4 * (convention.words_for(per * size) + 997 * convention.words))
    rows, place = [], 0
    for _ in range(4):
        rows.append(signs(words[place:], convention, NHWC, per))
        place += convention.words_for(per * size) + 997 * convention.words
    x = plain * np.concatenate(rows)
    got = unmask(x, Stream(mt.init_genrand(5), convention), NHWC, reach=50_000)
    assert got.known.all()
    assert np.array_equal(got.mixtures, plain)
    assert got.gaps == [(16 * i, 997 * convention.per_step) for i in (1, 2, 3)]


def test_stream_runs_backwards_too(plain: np.ndarray) -> None:
    x = plain * signs(mt.generate(mt.init_genrand(5), plain.size), PLAIN[0], NHWC, len(plain))
    later = Stream(mt.init_genrand(5), PLAIN[0]).at(20 * 3072)
    got = unmask(x, later, NHWC, start=20, reach=1000)
    assert got.known.all() and np.array_equal(got.mixtures, plain)


def test_wrong_generator_unmasks_nothing(plain: np.ndarray) -> None:
    x = plain * np.random.default_rng(0).choice([-1, 1], plain.shape)
    assert not unmask(x, Stream(mt.init_genrand(5), PLAIN[0]), NHWC, reach=20_000).known.any()
