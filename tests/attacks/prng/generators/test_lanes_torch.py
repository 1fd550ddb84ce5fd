"""The generators in torch operations agree with the CPU kernels bit by bit (on CPU tensors)."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.prng.generators import lanes, lanes_torch
from ihaudit.attacks.prng.generators.kinds import KINDS


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{KINDS[k].model}-{k}")
@pytest.mark.parametrize("first", [0, 2**31 - 500, 2**32 - 1000])
def test_bits(kind: int, first: int) -> None:
    k = KINDS[kind]
    n = k.within(lanes.REACH[k.model]) or 2000
    elements = np.concatenate([np.random.default_rng(kind).integers(0, n, 30), [0, n - 1]])
    seeds = np.arange(first, first + 1000).astype(np.uint32)
    bits = lanes_torch.reader(k.model, *k.places(elements), "cpu")(seeds)
    assert (bits.numpy() == lanes.reader(k.model, *k.places(elements))(seeds)).all()
