"""Pads and orders that are drawn from released numbers are undone; other numbers tell nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.seeded import fit_seeds, seeds_of

N, SHAPE = 30, (6, 6, 3)
SIZE = 108
RNG = np.random.default_rng(2)
CODES = RNG.integers(0, 256, (N, *SHAPE), dtype=np.uint8)
IMAGES = (CODES / 255).astype(np.float32)
SEEDS = RNG.integers(0, 2**31, N)
new, old = np.random.default_rng, np.random.RandomState


def each(f: Callable[[int], Any]) -> NDArray[Any]:
    return np.stack([np.asarray(f(int(s))).reshape(SHAPE) for s in SEEDS])


def ordered(there: bool) -> NDArray[np.uint8]:
    orders = [new(int(s)).permutation(SIZE) for s in SEEDS]
    moved = [c.ravel()[np.argsort(p) if there else p] for c, p in zip(CODES, orders, strict=True)]
    return np.stack(moved).reshape(CODES.shape)


RELEASED: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {
    "default_rng, integers": (CODES ^ each(lambda s: new(s).integers(0, 256, SHAPE, dtype=np.uint8)), SEEDS),
    "default_rng": (CODES ^ each(lambda s: np.frombuffer(new(s).bytes(SIZE), np.uint8)), SEEDS),
    "RandomState, randint": (CODES + each(lambda s: old(s).randint(0, 256, SHAPE)).astype(np.uint8), SEEDS),
    "random.Random, randbytes": (
        CODES ^ each(lambda s: list(random.Random(s).randbytes(SIZE))).astype(np.uint8),
        SEEDS,
    ),
    "default_rng, standard_normal": ((IMAGES + new(77).standard_normal(IMAGES.shape)).astype("f4"), np.array([77])),
    "RandomState, random_sample": (np.mod(IMAGES + old(5).random_sample(IMAGES.shape), 1), np.array([5])),
    "choice of signs": ((2 * IMAGES - 1) * each(lambda s: new(s).choice([-1, 1], SHAPE)), SEEDS),
    "default_rng, permutation": (ordered(False), SEEDS),
    "permutation": (ordered(True), SEEDS),
}


@pytest.mark.parametrize("words", RELEASED)
def test_draws_from_released_numbers(words: str) -> None:
    rows, numbers = RELEASED[words]
    seeds = seeds_of({"scale": np.ones(N), "nonce": numbers}, N)
    found = fit_seeds(IMAGES, rows, seeds)
    assert found is not None and found.name == "nonce" and words in found.words
    answer = found(rows, seeds["nonce"], N)
    assert answer is not None and np.isclose(answer, IMAGES, atol=2e-3).mean() > 0.98


def test_other_numbers_and_other_rows_tell_nothing() -> None:
    rows = RELEASED["default_rng, integers"][0]
    assert fit_seeds(IMAGES, rows, seeds_of({"nonce": SEEDS[::-1]}, N)) is None
    assert fit_seeds(IMAGES, rows[:, :-1], seeds_of({"nonce": SEEDS}, N)) is None
    assert fit_seeds(IMAGES, RNG.random(IMAGES.shape), seeds_of({"nonce": SEEDS, "n": np.array([N])}, N)) is None
    assert (
        seeds_of({"a": RNG.random(N), "b": np.full(N, -1), "c": CODES, "d": np.zeros(0), "e": np.array([np.nan])}, N)
        == {}
    )


def test_numbers_spelled_out_in_bytes_are_seeds_too() -> None:
    keys = RNG.integers(0, 256, (N, 8), dtype=np.uint8)
    drawn = [np.random.default_rng(int.from_bytes(k.tobytes(), "big")) for k in keys]
    rows = CODES.reshape(N, -1) ^ np.stack([d.integers(0, 256, CODES[0].size, dtype=np.uint8) for d in drawn])
    seeds = seeds_of({"nonce": keys}, N)
    found = fit_seeds(IMAGES, rows, seeds)
    assert found is not None and found.name == "nonce, big-endian"
    answer = found(rows, seeds[found.name], N)
    assert answer is not None and np.isclose(answer, IMAGES, atol=2e-3).mean() > 0.98
