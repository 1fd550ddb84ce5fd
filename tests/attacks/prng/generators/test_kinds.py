"""The first mask bits under every kind of generator, against the libraries themselves."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.prng.generators.kinds import KINDS, first_bits
from tests.attacks.prng import draws

SEEDS = (0, 1, 42, 123_456_789, 2**32 - 1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{KINDS[k].model}-{k}")
@pytest.mark.parametrize("seed", SEEDS)
def test_first_mask_bits_of_every_kind(kind: int, seed: int) -> None:
    n = 777
    for bits in draws.drawn(kind, seed, n):
        assert (first_bits(seed, n, kind) == bits).all(), KINDS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_elements_within_the_first_outputs(kind: int) -> None:
    k = KINDS[kind]
    for outputs in (1, 7, 128):
        n = k.within(outputs)
        assert n is not None
        assert k.places(np.array([n - 1]))[0] < outputs <= k.places(np.array([n]))[0]
    assert k.within(None) is None
