"""Seeds that people choose under every way that libraries draw; a generator for every encoding or batch."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from ihaudit.attacks.prng import Prng
from ihaudit.attacks.prng.generators.conventions import NCHW, NHWC, Layout
from ihaudit.attacks.prng.generators.libraries import DRAWS
from ihaudit.attacks.prng.scans.draws import explain_by_draws, follow
from ihaudit.attacks.prng.scans.ranges import Range
from ihaudit.attacks.prng.scans.seeds import by_first_mask, by_single_mask
from ihaudit.attacks.prng.search import Search
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from tests.attacks.prng.helpers import mixtures

COUNT, SIZE = 24, 32 * 32 * 3


@cache
def plain() -> np.ndarray:
    return mixtures(COUNT, 5)


def search(bits: np.ndarray, layout: Layout = NHWC, order: np.ndarray | None = None) -> Search:
    """A release of `COUNT` encodings under mask bits (COUNT * SIZE,)."""
    signs = (2 * np.asarray(bits).reshape(COUNT, SIZE).astype(np.int8) - 1)[:, layout.index((32, 32, 3))]
    x = (plain() * signs).astype(np.float32)
    x = x if order is None else x[order]
    return Search(x, True, View(x), Context(seed=0, profile="quick"))


def legacy(call: Callable[[np.random.RandomState, int], Any]) -> Callable[[int], np.ndarray]:
    return lambda n: np.asarray(call(np.random.RandomState(42), n))


def gauss(n: int) -> np.ndarray:
    source = random.Random(42)
    return np.array([source.gauss(0, 1) > 0 for _ in range(n)])


def of_torch(call: Callable[[], torch.Tensor]) -> Callable[[int], np.ndarray]:
    def draw(n: int) -> np.ndarray:
        torch.manual_seed(42)
        return (call() > 0).numpy().reshape(-1)

    return draw


def channels_last() -> torch.Tensor:
    like = torch.empty(COUNT, 3, 32, 32, memory_format=torch.channels_last)
    return torch.randn_like(like).permute(0, 2, 3, 1).contiguous()


def shuffled_first(n: int) -> np.ndarray:
    rng = np.random.default_rng(42)
    rng.permutation(100)
    return rng.integers(0, 2, n)


#: Draws under seed 42 that people write, by the libraries themselves.
MISSED: dict[str, Callable[[int], np.ndarray]] = {
    "np.sign(np.random.randn)": legacy(lambda r, n: r.randn(n) > 0),
    "torch.randn(dtype=float64).sign()": of_torch(lambda: torch.randn(COUNT, 3, 32, 32, dtype=torch.float64)),
    "torch.randn_like(channels_last).sign()": of_torch(channels_last),
    "np.unpackbits(np.random.bytes)": legacy(lambda r, n: np.unpackbits(np.frombuffer(r.bytes(n // 8), np.uint8))),
    "Generator(MT19937).integers(int8)": lambda n: np.random.Generator(np.random.MT19937(42)).integers(
        0, 2, n, dtype=np.int8
    ),
    "default_rng.standard_normal": lambda n: np.random.default_rng(42).standard_normal(n) > 0,
    "random.gauss": gauss,
    "PCG64DXSM": lambda n: np.random.Generator(np.random.PCG64DXSM(42)).integers(0, 2, n),
    "after a permutation": shuffled_first,
}


@pytest.mark.parametrize("name", list(MISSED))
def test_draws_under_seed_42(name: str) -> None:
    found = explain_by_draws(search(MISSED[name](COUNT * SIZE)))
    assert found is not None and found.unmasked is not None
    assert found.unmasked.known.all(), found.sentence
    assert "seeded with 42" in found.sentence


@pytest.mark.parametrize("draw", [d for d in DRAWS if not d.each], ids=lambda d: f"{d.generator}: {d.call}")
def test_every_draw_in_one_stream_and_for_each_encoding(draw: Any) -> None:
    one = search(draw.bits(42, 0, COUNT * SIZE), NCHW)
    got, streams = follow(one.encodings, draw, 42, NCHW)
    assert got.known.all() and streams == 1
    each = search(np.concatenate([draw.bits(1000 + i, 0, SIZE) for i in range(COUNT)]))
    got, streams = follow(each.encodings, draw, 1000, NHWC)
    assert got.known.all() and streams == COUNT


@pytest.mark.slow
@pytest.mark.parametrize("draw", [d for d in DRAWS if d.each], ids=lambda d: f"{d.generator}: {d.call}")
def test_generators_derived_for_each_encoding(draw: Any) -> None:
    bits = np.concatenate([draw.bits(42, i, SIZE) for i in range(COUNT)])
    found = explain_by_draws(search(bits))
    assert found is not None and found.unmasked is not None and found.unmasked.known.all()
    assert "derived from 42" in found.sentence


def test_spawned_by_numpy_itself() -> None:
    masks = [r.integers(0, 2, SIZE) for r in np.random.default_rng(42).spawn(COUNT)]
    found = explain_by_draws(search(np.concatenate(masks)))
    assert found is not None and found.unmasked is not None and found.unmasked.known.all()


@pytest.mark.parametrize("batch", [5, 8])
def test_a_generator_for_every_batch(batch: int) -> None:
    draw = next(d for d in DRAWS if d.call == "torch.randint(2)")
    starts = range(0, COUNT, batch)
    parts = [draw.bits(7 + b, 0, SIZE * min(batch, COUNT - start)) for b, start in enumerate(starts)]
    got, streams = follow(search(np.concatenate(parts)).encodings, draw, 7, NHWC)
    assert got.known.all() and streams == len(starts)


def test_encodings_in_another_order_than_their_generators() -> None:
    draw = next(d for d in DRAWS if d.call == "torch.randint(2)")
    bits = np.concatenate([draw.bits(1000 + i, 0, SIZE) for i in range(COUNT)])
    order = np.random.default_rng(1).permutation(COUNT)
    got, _ = follow(search(bits, order=order).encodings, draw, 1000 + int(order[0]), NHWC)
    assert got.known.all()


RANGE = Range(range(204_000, 205_000), "a part")


def test_seeds_of_a_scan_that_begin_a_generator_for_each_encoding() -> None:
    """torch.manual_seed(base + i), default_rng(base + i): the base is beyond the favourites, the scan finds it."""
    masks = []
    for i in range(COUNT):
        torch.manual_seed(204_242 + i)
        masks.append(torch.randint(0, 2, (SIZE,)).numpy())
    found = by_single_mask(search(np.concatenate(masks)), [RANGE])
    assert found is not None and found.unmasked is not None and found.unmasked.known.all()
    masks = [np.random.default_rng(204_242 + i).integers(0, 2, SIZE) for i in range(COUNT)]
    found = by_first_mask(search(np.concatenate(masks)), [RANGE])
    assert found is not None and found.unmasked is not None and found.unmasked.known.all()


def test_secure_masks_are_not_explained() -> None:
    """Null control; forty releases in the slow test."""
    s = search(np.random.default_rng([3, 2**40 + 3]).integers(0, 2, COUNT * SIZE))
    assert explain_by_draws(s) is None
    assert by_single_mask(s, [RANGE]) is None


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_forty_secure_releases() -> None:
    for seed in range(40):
        s = search(np.random.default_rng([seed, 2**41 + seed]).integers(0, 2, COUNT * SIZE))
        assert explain_by_draws(s) is None


@pytest.mark.slow
def test_the_attack_finds_them() -> None:
    s = search(MISSED["np.sign(np.random.randn)"](COUNT * SIZE))
    assert Prng(seedless="no").run(s.view, s.ctx).broke
