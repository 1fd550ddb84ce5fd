"""Every generator model, bit by bit, against the library it models."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import INTERLEAVED, NCHW, NHW, NHWC, PLAIN
from ihaudit.attacks.prng.generators.kinds import KINDS, first_bits
from tests.attacks.prng import draws

SEEDS = (0, 1, 42, 123_456_789, 2**32 - 1)
BY_ID = {c.id: c for c in PLAIN + INTERLEAVED}


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


def _numpy_draws(rs: np.random.RandomState) -> dict[str, np.ndarray]:
    # 9,600 elements of each, every draw from a fresh copy of the same state
    state = rs.get_state()

    def fresh() -> np.random.RandomState:
        rs.set_state(state)
        return rs

    return {
        "lsb": fresh().randint(0, 2, 9600),
        "lsb ": (fresh().choice([-1, 1], 9600) + 1) // 2,
        "msb-2": fresh().rand(9600) >= 0.5,
        "msb-2 ": fresh().binomial(1, 0.5, 9600),
        "uint8": fresh().randint(0, 2, 9600, dtype=np.int8),
        "uint16": fresh().randint(0, 2, 9600, dtype=np.uint16),
        "bool": fresh().randint(0, 2, 9600, dtype=bool),
    }


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_conventions_of_numpy(seed: int) -> None:
    words = mt.generate(mt.init_genrand(seed), 20_000)
    for name, drawn in _numpy_draws(np.random.RandomState(seed)).items():
        assert (BY_ID[name.strip()].bits(words)[:9600] == np.asarray(drawn, np.uint8)).all(), name


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_conventions_of_torch(seed: int) -> None:
    words = mt.generate(mt.init_genrand(seed), 20_000)

    def own() -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    n = 9600
    drawn = {
        "lsb": torch.randint(2, (n,), generator=own()),
        "bit23": torch.rand(n, generator=own()) >= 0.5,
        "bit20-2": torch.rand(n, generator=own(), dtype=torch.float64) >= 0.5,
        "bit20-2 ": torch.empty(n).bernoulli_(0.5, generator=own()) == 0,
    }
    for name, bits in drawn.items():
        assert (BY_ID[name.strip()].bits(words)[:n] == bits.numpy().astype(np.uint8)).all(), name
    assert (BY_ID["bit23"].bits(words)[:n] == 1 - torch.bernoulli(torch.full((n,), 0.5), generator=own()).numpy()).all()
    normal = torch.randn(n, generator=own()).sign().numpy()
    assert (1 - 2 * BY_ID["randn"].bits(words)[:n].astype(int) == normal).all()


def test_conventions_of_python() -> None:
    source = random.Random(5)
    words = mt.generate(mt.init_by_array(np.array([5], np.uint32)), 4000)
    assert BY_ID["msb"].bits(words)[:999].tolist() == [source.getrandbits(1) for _ in range(999)]
    source = random.Random(5)
    assert BY_ID["msb-2"].bits(words)[:999].tolist() == [int(source.random() >= 0.5) for _ in range(999)]


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


@pytest.mark.parametrize("layout", [NHWC, NCHW, NHW])
def test_layouts_are_the_orders_they_are_called(layout) -> None:  # type: ignore[no-untyped-def]
    h, w, c = 5, 4, 3
    flat = np.arange(layout.size((h, w, c)))
    made = {
        "NHWC": flat.reshape(h, w, c) if layout is NHWC else None,
        "NCHW": flat.reshape(c, h, w).transpose(1, 2, 0) if layout is NCHW else None,
        "NHW": np.broadcast_to(flat[: h * w].reshape(h, w, 1), (h, w, c)) if layout is NHW else None,
    }[layout.id]
    assert (layout.index((h, w, c)) == made).all()
