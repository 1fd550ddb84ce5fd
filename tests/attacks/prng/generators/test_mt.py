"""The Mersenne Twister, bit by bit, against the libraries whose generator it is."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.attacks.prng.generators import mt

SEEDS = (0, 1, 42, 123_456_789, 2**32 - 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_mersenne_twister_is_numpys_and_torchs(seed: int) -> None:
    words = mt.generate(mt.init_genrand(seed), 3000)
    assert (words == np.random.RandomState(seed).randint(0, 2**32, 3000, dtype=np.uint64)).all()
    own = torch.Generator().manual_seed(seed)
    assert (words & 1 == torch.randint(2, (3000,), generator=own).numpy()).all()


def test_torch_keeps_only_32_bits_of_its_seed() -> None:
    a = torch.randint(2, (500,), generator=torch.Generator().manual_seed(7))
    b = torch.randint(2, (500,), generator=torch.Generator().manual_seed(7 + (5 << 32)))
    assert torch.equal(a, b)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**100))
def test_init_by_array_is_pythons(seed: int) -> None:
    source = random.Random(seed)
    key = [seed >> (32 * i) & 0xFFFFFFFF for i in range(max(1, -(-seed.bit_length() // 32)))]
    assert mt.generate(mt.init_by_array(np.array(key, np.uint32)), 20).tolist() == [
        source.getrandbits(32) for _ in range(20)
    ]


@pytest.mark.parametrize("n", [1, 2, 623, 624, 625, 5000])
def test_rewind_undoes_generate(n: int) -> None:
    raw = mt.raw(mt.init_genrand(11), n + 700)
    back = mt.rewind(raw[n : n + 624], n)
    assert (back[1:] == raw[1 : n + 624]).all()
    assert back[0] >> 31 == raw[0] >> 31
