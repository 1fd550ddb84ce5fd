"""Re-identification: 1 for the images themselves, chance for anything that knows nothing, in both ways of pairing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ihaudit.metrics.reid import reidentify
from ihaudit.release import FloatArray
from tests.attacks.releases import photographs
from tests.estimates import measured
from tests.pictures import lookalikes, pictures

N = 60


@pytest.mark.parametrize("by_provenance", [True, False])
@pytest.mark.parametrize("make", [pictures, lookalikes])
def test_the_images_themselves_are_all_identified(by_provenance: bool, make: Callable[[int], FloatArray]) -> None:
    x = make(2 * N)
    order = np.random.default_rng(0).permutation(N)
    chosen = np.argsort(order)
    again = reidentify(x[:N][order], chosen, x[:N], x[N:], by_provenance=by_provenance)
    assert again.rate.value == 1
    assert again.hits.all()
    assert measured(again.above).low > 0.8


@pytest.mark.parametrize("by_provenance", [True, False])
@pytest.mark.parametrize("kind", ["noise", "constant", "other pictures"])
def test_answers_without_information_stay_at_chance(by_provenance: bool, kind: str) -> None:
    x = pictures(2 * N)
    rates, chances = [], []
    for seed in range(3):
        guess = {
            "noise": np.random.default_rng(seed).random((N, 32, 32, 3)).astype(np.float32),
            "constant": np.full((N, 32, 32, 3), 0.5, np.float32),
            "other pictures": pictures(N, seed=100 + seed),
        }[kind]
        again = reidentify(guess, np.arange(N), x[:N], x[N:], by_provenance=by_provenance)
        above = measured(again.above)
        rates.append(measured(again.rate).value)
        chances.append(again.chance)
        assert above.low <= 0.05
        assert above.low <= above.value <= above.high
    assert np.mean(rates) <= 0.05
    if by_provenance:
        assert chances == [1 / (2 * N)] * 3


def test_shifted_images_are_identified_and_negatives_are_not() -> None:
    x = pictures(2 * N)
    moved = np.roll(x[:N], (1, 1), axis=(1, 2))
    assert measured(reidentify(moved, np.arange(N), x[:N], x[N:], by_provenance=True).rate).value > 0.9
    assert measured(reidentify(1 - x[:N], np.arange(N), x[:N], x[N:], by_provenance=True).rate).value < 0.1


def test_missing_candidates_are_misses() -> None:
    x = pictures(2 * N)
    chosen = np.where(np.arange(N) < 10, np.arange(N), -1)
    assert reidentify(x[:N], chosen, x[:N], x[N:], by_provenance=True).hits.sum() == 10
    none = reidentify(x[:0], np.full(N, -1), x[:N], x[N:], by_provenance=False)
    assert none.rate.value == 0
    assert none.chance == 0


def test_an_image_that_occurs_twice_does_not_tie_with_itself() -> None:
    x = pictures(20)
    private = np.concatenate([x[:5], x[:5]])
    assert reidentify(private, np.arange(10), private, x[10:], by_provenance=True).rate.value == 1


def test_copies_raise_what_guessing_reaches() -> None:
    """Of two pictures, ten times each, noise names the right one every second time."""
    private = np.repeat(photographs(2)[0], 10, 0)
    noise = np.random.default_rng(0).random((20, *private.shape[1:]))
    for decoys in (None, private[:6]):
        found = reidentify(noise, np.arange(20), private, decoys, by_provenance=True)
        assert found.chance == 0.5
        assert measured(found.above).low < 0
    assert measured(reidentify(private, np.arange(20), private, None, by_provenance=True).above).low > 0.3


def test_without_decoys() -> None:
    x = pictures(N)
    again = reidentify(x, np.arange(N), x, None, by_provenance=False)
    assert again.rate.value == 1
    assert again.chance == 1 / N
    noise = np.random.default_rng(0).random(x.shape).astype(np.float32)
    assert measured(reidentify(noise, np.arange(N), x, None, by_provenance=False).above).low < 0.05


def test_no_images() -> None:
    x = pictures(3)
    assert reidentify(x, np.zeros(0, int), x[:0], x, by_provenance=True).rate.value is None
