"""The kernels that make bits of many seeds at once, bit by bit against the generators themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.attacks.prng.generators import lanes, lanes64
from ihaudit.attacks.prng.generators.kinds import KINDS
from tests.attacks.prng.draws import drawn

EDGES = (0, 1, 42, 2**31, 2**32 - 1)


def _read(kind: int, seeds: np.ndarray, elements: np.ndarray) -> np.ndarray:
    return lanes.reader(KINDS[kind].model, *KINDS[kind].places(elements))(seeds)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{KINDS[k].model}-{k}")
def test_bits_are_the_librarys(kind: int) -> None:
    rng = np.random.default_rng(kind)
    n = KINDS[kind].within(lanes.REACH[KINDS[kind].model]) or 900
    elements = np.concatenate([rng.integers(0, n, 60), [0, n - 1]])
    seeds = np.concatenate([EDGES, rng.integers(0, 2**32, 265)]).astype(np.uint32)  # more than one block of 256
    bits = _read(kind, seeds, elements)
    assert bits.shape == (62, 270) and bits.dtype == np.uint8
    for i in (0, 1, 2, 3, 4, 255, 256, 269):
        assert (bits[:, i] == drawn(kind, int(seeds[i]), n)[0][elements]).all()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([0, 1, 7, 10, 12, 3]), st.integers(0, 2**32 - 1), st.lists(st.integers(0, 250), min_size=1))
def test_any_seed_and_elements(kind: int, seed: int, elements: list[int]) -> None:
    bits = _read(kind, np.array([seed], np.uint32), np.array(elements))
    assert bits[:, 0].tolist() == drawn(kind, seed, 251)[0][elements].tolist()


def test_no_seeds() -> None:
    assert _read(0, np.zeros(0, np.uint32), np.arange(3)).shape == (3, 0)


@pytest.mark.parametrize("model", [m for m, reach in lanes.REACH.items() if reach is not None])
def test_out_of_reach(model: str) -> None:
    reach = lanes.REACH[model]
    with pytest.raises(ValueError, match=f"output {reach} of {model} is out of reach"):
        lanes.reader(model, np.array([0, reach]), np.zeros(2, np.int64))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 2**128 - 1), st.integers(0, 2**127 - 1))
def test_jump_is_so_many_steps(n: int, state: int, half: int) -> None:
    increment, stepped = 2 * half + 1, state
    for _ in range(n):
        stepped = (stepped * lanes64.PCG_MULTIPLIER + increment) % 2**128
    a, c = lanes.pcg_jump(n)
    assert stepped == (a * state + c * increment) % 2**128


def test_philox_against_the_published_vectors() -> None:
    # Random123's known-answer tests for philox4x32-10
    vectors = (
        ((0,) * 6, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 6, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    )
    for inputs, outputs in vectors:
        assert tuple(int(v) for v in lanes64.philox4x32(*(np.uint64(v) for v in inputs))) == outputs
