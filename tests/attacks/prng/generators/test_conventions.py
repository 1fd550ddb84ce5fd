"""How libraries draw masks from 32-bit words, against the libraries themselves."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import INTERLEAVED, NCHW, NHW, NHWC, PLAIN, Layout

SEEDS = (0, 1, 42)
BY_ID = {c.id: c for c in PLAIN + INTERLEAVED}


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


@pytest.mark.parametrize("seed", SEEDS)
def test_conventions_of_numpy(seed: int) -> None:
    words = mt.generate(mt.init_genrand(seed), 20_000)
    for name, drawn in _numpy_draws(np.random.RandomState(seed)).items():
        assert (BY_ID[name.strip()].bits(words)[:9600] == np.asarray(drawn, np.uint8)).all(), name


@pytest.mark.parametrize("seed", SEEDS)
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


@pytest.mark.parametrize("layout", [NHWC, NCHW, NHW])
def test_layouts_are_the_orders_they_are_called(layout: Layout) -> None:
    h, w, c = 5, 4, 3
    flat = np.arange(layout.size((h, w, c)))
    made = {
        "NHWC": flat.reshape(h, w, c) if layout is NHWC else None,
        "NCHW": flat.reshape(c, h, w).transpose(1, 2, 0) if layout is NCHW else None,
        "NHW": np.broadcast_to(flat[: h * w].reshape(h, w, 1), (h, w, c)) if layout is NHW else None,
    }[layout.id]
    assert (layout.index((h, w, c)) == made).all()


def _agree(bits: np.ndarray, drawn: np.ndarray) -> bool:
    """Equal, or equal once all are negated: one sign for all masks hides nothing."""
    same = float((bits[: drawn.size] == drawn.reshape(-1).astype(np.uint8)).mean())
    return same in (0.0, 1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_conventions_of_several_bits_a_step(seed: int) -> None:
    words, n = mt.generate(mt.init_genrand(seed), 40_000), 9600
    own = torch.Generator().manual_seed(seed)
    assert _agree(BY_ID["randn64"].bits(words), (torch.randn(n, dtype=torch.float64, generator=own) > 0).numpy())
    torch.manual_seed(seed)
    like = torch.empty(4, 3, 28, 28, memory_format=torch.channels_last)
    memory = torch.randn_like(like).permute(0, 2, 3, 1).contiguous().numpy() > 0
    assert _agree(BY_ID["randn-strided"].bits(words), memory)
    raw = np.random.RandomState(seed).bytes(n // 8)
    assert _agree(BY_ID["bytes"].bits(words), np.unpackbits(np.frombuffer(raw, np.uint8)))
    words = np.random.MT19937(seed).random_raw(4000).astype(np.uint32)
    drawn = np.random.Generator(np.random.MT19937(seed)).integers(0, 2, n, dtype=np.int8)
    assert _agree(BY_ID["int8-high"].bits(words), drawn)
