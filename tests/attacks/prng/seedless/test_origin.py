"""Seeds by stepping back: found under each seeding routine, and none behind a random state."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import PLAIN
from ihaudit.attacks.prng.seedless.origin import origin


@pytest.mark.parametrize("pre", [0, 1, 5, 700, 1_200_000])
@pytest.mark.parametrize("key", [[0], [42], [2**32 - 1, 7], [1, 2, 3, 4]])
def test_origin_init_by_array(pre: int, key: list[int]) -> None:
    start = mt.init_by_array(np.array(key, np.uint32))
    found = origin(mt.raw(start, pre)[pre:], PLAIN[0], 2_000_000)
    assert found is not None
    assert (found.kind, found.offset) == ("init_by_array", pre)
    assert found.seed == sum(v << (32 * i) for i, v in enumerate(key))


@pytest.mark.parametrize("pre", [0, 1, 623, 1_100_000])
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_origin_init_genrand(pre: int, seed: int) -> None:
    found = origin(mt.raw(mt.init_genrand(seed), pre)[pre:], PLAIN[0], 2_000_000)
    assert found is not None
    assert (found.kind, found.seed, found.offset) == ("init_genrand", seed, pre)


@pytest.mark.parametrize("pre", [0, 1, 2, 1000])
def test_origin_of_unseeded_numpy(pre: int) -> None:
    entropy = np.random.SeedSequence()  # what RandomState() without a seed does
    rs = np.random.RandomState(np.random.MT19937(entropy))
    key = rs.get_state(legacy=False)["state"]["key"].astype(np.uint32)
    drawn = rs.randint(0, 2**32, 1500, dtype=np.uint64).astype(np.uint32)
    state = mt.rewind(key, 1)[:624] if pre == 0 else mt.raw(key, pre - 1)[pre - 1 :]
    assert (mt.generate(state, 400) == drawn[pre : pre + 400]).all()
    found = origin(state, PLAIN[0], 5000)
    assert found is not None
    assert (found.kind, found.offset) == ("SeedSequence", pre)
    assert found.seed == int.from_bytes(entropy.pool.astype("<u4").tobytes(), "little")


def test_no_origin_for_a_random_state() -> None:
    state = np.random.default_rng(0).integers(0, 2**32, 624, dtype=np.uint64).astype(np.uint32)
    assert origin(state, PLAIN[0], 300_000) is None
