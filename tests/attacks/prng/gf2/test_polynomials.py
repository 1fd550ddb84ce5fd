"""Linear complexity, against a slow model."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.attacks.prng.gf2.polynomials import berlekamp_massey


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
    length, c = berlekamp_massey(np.array(bits))
    assert length == slow_complexity(bits)
    for t in range(length, len(bits)):
        assert sum(int(c[i]) & bits[t - i] for i in range(length + 1)) % 2 == 0


def test_linear_complexity_of_an_lfsr_is_its_length() -> None:
    s = [1, 0, 0, 1, 0, 1, 1]
    while len(s) < 200:
        s.append(s[-7] ^ s[-6])  # x^7 + x + 1, primitive
    assert berlekamp_massey(np.array(s))[0] == 7
