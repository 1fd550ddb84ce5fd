"""Every generator model, bit by bit, against the library it models."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.attacks.prng import generators as g
from ihaudit.attacks.prng import mt
from ihaudit.attacks.prng.conventions import INTERLEAVED, NCHW, NHW, NHWC, PLAIN

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


@pytest.mark.parametrize("seed", SEEDS)
def test_seed_sequence_and_pcg64(seed: int) -> None:
    words = np.zeros(24, np.uint32)
    g.seed_sequence(np.uint32(seed), words)
    assert (words == np.random.SeedSequence(seed).generate_state(24)).all()
    out = np.zeros(64, np.uint64)
    g.pcg64(np.uint32(seed), out)
    assert (out == np.random.default_rng(seed).bit_generator.random_raw(64)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_first_mask_bits_of_every_kind(seed: int) -> None:
    n = 777
    python = random.Random(seed)
    expected = {
        0: np.random.default_rng(seed).integers(0, 2, n),
        1: np.random.default_rng(seed).random(n) >= 0.5,
        3: [python.getrandbits(1) for _ in range(n)],
        5: np.random.RandomState([seed]).randint(0, 2, n),
    }
    python = random.Random(seed)
    expected[4] = [python.random() >= 0.5 for _ in range(n)]
    for kind, bits in expected.items():
        assert (g.first_bits(seed, n, kind) == np.asarray(bits, np.uint8)).all(), g.KINDS[kind]


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
        assert tuple(int(v) for v in g.philox(*(np.uint32(v) for v in inputs))) == outputs


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
