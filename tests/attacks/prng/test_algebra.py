"""GF(2) elimination, decoding of wrong equations, and the field of the Mersenne Twister, against slow models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.gf2 import elimination as gf2
from ihaudit.attacks.prng.gf2 import polynomials as poly


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
    return gf2.from_rows(gf2.pack(np.concatenate([a, b[:, None]], 1)))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 220), st.integers(1, 260), st.integers(0, 2**32 - 1), st.floats(0.01, 0.6))
def test_solver_against_the_slow_one(n: int, m: int, seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    a = (rng.random((m, n)) < density).astype(np.uint8)
    b = rng.integers(0, 2, m).astype(np.uint8)
    s = gf2.solve(pack_system(a, b), n)
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
    s = gf2.solve(pack_system(a, b), n, correct=3)
    assert s.wrong.tolist() == bad.tolist()
    assert (s.inconsistent == 0) == (wrong == 0)


def test_random_right_hand_side_has_no_small_correction() -> None:
    rng = np.random.default_rng(9)
    a = rng.integers(0, 2, (820, 700)).astype(np.uint8)
    s = gf2.solve(pack_system(a, rng.integers(0, 2, 820).astype(np.uint8)), 700, correct=3)
    assert 30 < s.inconsistent < 90
    assert len(s.wrong) == 0


def test_too_few_columns_is_an_error() -> None:
    with pytest.raises(ValueError, match="need at least"):
        gf2.solve(np.zeros((1, 4, gf2.TILE), np.uint64), 64 * gf2.TILE)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=1, max_size=300))
def test_pack_and_unpack(bits: list[int]) -> None:
    assert gf2.unpack(gf2.pack(np.array(bits)), len(bits)).tolist() == bits


def slow_complexity(s: list[int]) -> int:
    c, b, length, m = [1], [1], 0, 1
    for n in range(len(s)):
        d = sum(c[i] & s[n - i] for i in range(min(len(c), length + 1))) & 1
        if not d:
            m += 1
            continue
        t = list(c)
        c += [0] * max(0, len(b) + m - len(c))
        for i, v in enumerate(b):
            c[i + m] ^= v
        if 2 * length <= n:
            length, b, m = n + 1 - length, t, 1
        else:
            m += 1
    return length


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=1, max_size=260))
def test_berlekamp_massey_against_the_slow_one(bits: list[int]) -> None:
    length, c = poly.berlekamp_massey(np.array(bits))
    assert length == slow_complexity(bits)
    for t in range(length, len(bits)):
        assert sum(int(c[i]) & bits[t - i] for i in range(length + 1)) % 2 == 0


def test_linear_complexity_of_an_lfsr_is_its_length() -> None:
    s = [1, 0, 0, 1, 0, 1, 1]
    while len(s) < 200:
        s.append(s[-7] ^ s[-6])  # x^7 + x + 1, primitive
    assert poly.berlekamp_massey(np.array(s))[0] == 7


def test_field_of_the_mersenne_twister() -> None:
    f = poly.mersenne()
    assert f.degree == 19937
    assert int(np.bitwise_count(f.p).sum()) == 135  # weight of its characteristic polynomial (Matsumoto & Nishimura)
    words = mt.generate(mt.init_genrand(77), 60_000)
    a, b = words & 1, words[0::2] >> 31
    one = f.mul(f.element(a), f.inverse(f.element(a)))
    assert one[0] == 1 and not one[1:].any()
    # bit 23 from bit 0, learnt on one stream, applied to another
    q = f.relation(words & 1, (words >> 23) & 1)
    other = mt.generate(mt.init_genrand(78), 60_000)
    assert (poly.apply(q, (other & 1).astype(np.uint8), 500) == ((other >> 23) & 1)[:500]).all()
    # odd words from even words: decimation by two keeps the polynomial
    q = f.relation(words[0:50_000:2] >> 31, words[1:50_000:2] >> 31)
    assert (poly.apply(q, (other[0::2] >> 31).astype(np.uint8), 500) == (other[1::2] >> 31)[:500]).all()
    assert (f.extend(b.astype(np.uint8), 25_000) == b[:25_000]).all()
    far = f.x_to(30_000)
    assert (poly.apply(far, a.astype(np.uint8), 300) == a[30_000:30_300]).all()
    back = f.mul(far, f.x_to(-30_000))
    assert back[0] == 1 and not back[1:].any()
