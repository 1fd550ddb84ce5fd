"""GF(2) elimination and decoding of wrong equations, against slow models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.attacks.prng.gf2 import bits, elimination


def slow_rank(rows: np.ndarray) -> int:
    a = rows.astype(np.uint8).copy()
    rank = 0
    for col in range(a.shape[1]):
        hits = np.flatnonzero(a[rank:, col])
        if not len(hits):
            continue
        a[[rank, rank + hits[0]]] = a[[rank + hits[0], rank]]
        others = np.flatnonzero(a[:, col])
        a[others[others != rank]] ^= a[rank]
        rank += 1
        if rank == len(a):
            break
    return rank


def pack_system(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    rows = bits.pack(np.concatenate([a, b[:, None]], 1))
    system = elimination.system(len(a), a.shape[1])
    system[0, :, : rows.shape[1]] = rows
    return system


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 220), st.integers(1, 260), st.integers(0, 2**32 - 1), st.floats(0.01, 0.6))
def test_solver_against_the_slow_one(n: int, m: int, seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    a = (rng.random((m, n)) < density).astype(np.uint8)
    b = rng.integers(0, 2, m).astype(np.uint8)
    s = elimination.solve(pack_system(a, b), n)
    assert s.rank == slow_rank(a)
    assert s.rank + s.surplus == m
    consistent = slow_rank(np.concatenate([a, b[:, None]], 1)) == s.rank
    assert (s.inconsistent == 0) == consistent
    if consistent:
        assert (a @ s.bits % 2 == b).all()


@pytest.mark.parametrize("wrong", [0, 1, 2, 3])
def test_wrong_equations_are_named(wrong: int) -> None:
    rng = np.random.default_rng(wrong)
    n, m = 700, 820
    a = rng.integers(0, 2, (m, n)).astype(np.uint8)
    x = rng.integers(0, 2, n).astype(np.uint8)
    b = (a @ x % 2).astype(np.uint8)
    bad = np.sort(rng.choice(m, wrong, replace=False))
    b[bad] ^= 1
    s = elimination.solve(pack_system(a, b), n, correct=3)
    assert s.wrong.tolist() == bad.tolist()
    assert (s.inconsistent == 0) == (wrong == 0)


def test_random_right_hand_side_has_no_small_correction() -> None:
    rng = np.random.default_rng(9)
    a = rng.integers(0, 2, (820, 700)).astype(np.uint8)
    s = elimination.solve(pack_system(a, rng.integers(0, 2, 820).astype(np.uint8)), 700, correct=3)
    assert 30 < s.inconsistent < 90
    assert len(s.wrong) == 0


def test_too_few_columns_is_an_error() -> None:
    with pytest.raises(ValueError, match="need at least"):
        elimination.solve(np.zeros((1, 4, elimination.TILE), np.uint64), 64 * elimination.TILE)
