"""The Mersenne Twister as a linear map, against its own output."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import INTERLEAVED, PLAIN, Convention
from ihaudit.attacks.prng.generators.mt_linear import functionals, mersenne
from ihaudit.attacks.prng.gf2.polynomials import apply


def test_field_of_the_mersenne_twister() -> None:
    f = mersenne()
    assert f.degree == 19937
    assert int(np.bitwise_count(f.p).sum()) == 135  # weight of its characteristic polynomial (Matsumoto & Nishimura)
    words = mt.generate(mt.init_genrand(77), 60_000)
    a, b = words & 1, words[0::2] >> 31
    one = f.mul(f.element(a), f.inverse(f.element(a)))
    assert one[0] == 1 and not one[1:].any()
    # bit 23 from bit 0, learnt on one stream, applied to another
    q = f.relation(words & 1, (words >> 23) & 1)
    other = mt.generate(mt.init_genrand(78), 60_000)
    assert (apply(q, (other & 1).astype(np.uint8), 500) == ((other >> 23) & 1)[:500]).all()
    # odd words from even words: decimation by two keeps the polynomial
    q = f.relation(words[0:50_000:2] >> 31, words[1:50_000:2] >> 31)
    assert (apply(q, (other[0::2] >> 31).astype(np.uint8), 500) == (other[1::2] >> 31)[:500]).all()
    assert (f.extend(b.astype(np.uint8), 25_000) == b[:25_000]).all()
    far = f.x_to(30_000)
    assert (apply(far, a.astype(np.uint8), 300) == a[30_000:30_300]).all()
    back = f.mul(far, f.inverse(far))
    assert back[0] == 1 and not back[1:].any()


@pytest.mark.parametrize("convention", [PLAIN[0], PLAIN[1], PLAIN[2], INTERLEAVED[0], INTERLEAVED[1]])
def test_functionals_are_the_stream(convention: Convention) -> None:
    elements = np.random.default_rng(0).integers(0, 4000, 5)
    f = functionals(convention, 1234, elements)
    for seed in (1, 77, 2**31):
        state = mt.init_genrand(seed)
        bits = convention.bits(mt.generate(state, 1234 + convention.words_for(4000) + 64)[1234:])[elements]
        assert ((np.bitwise_count(f & state).sum(1) & 1) == bits).all()
