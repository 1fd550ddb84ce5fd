"""Packed vectors over GF(2)."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.attacks.prng.gf2.bits import pack, unpack


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=1, max_size=300))
def test_pack_and_unpack(bits: list[int]) -> None:
    assert unpack(pack(np.array(bits)), len(bits)).tolist() == bits
