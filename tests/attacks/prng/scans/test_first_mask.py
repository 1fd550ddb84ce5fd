"""Scans for seeds by the first mask: a planted seed is found wherever it lies, and nothing under secure masks."""

from __future__ import annotations

import os

import numpy as np
import pytest

from ihaudit.attacks.prng import Prng
from ihaudit.attacks.prng.generators import lanes
from ihaudit.attacks.prng.generators.conventions import NCHW, NHW, NHWC, Layout
from ihaudit.attacks.prng.generators.kinds import KINDS, first_bits
from ihaudit.attacks.prng.scans import first_mask
from ihaudit.attacks.prng.scans.ranges import Range
from ihaudit.attacks.prng.scans.seeds import by_first_mask
from ihaudit.attacks.prng.search import Search
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from tests.attacks.prng.draws import drawn
from tests.attacks.prng.helpers import mixtures

PLAIN = mixtures(3, 8)


def masked(kind: int, seed: int, layout: Layout, plain: np.ndarray = PLAIN) -> np.ndarray:
    """Encodings whose masks are drawn by the library that a kind stands for, one after another."""
    shape = plain.shape[1:]
    bits = drawn(kind, seed, len(plain) * layout.size(shape))[0].reshape(len(plain), -1)
    return plain * (2 * bits.astype(np.int8) - 1)[:, layout.index(shape)]


def targets_of(x: np.ndarray, model: str, layouts: tuple[Layout, ...] = (NHWC, NCHW)) -> list[first_mask.PairTarget]:
    return [
        first_mask.pair_target(x, k, layout) for k, kind in KINDS.items() if kind.model == model for layout in layouts
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{KINDS[k].model}-{k}")
@pytest.mark.parametrize("seed", [3, 2_345_678_901, 2**32 - 2])
def test_planted_seed(kind: int, seed: int) -> None:
    layout = (NHWC, NCHW, NHW)[(kind + seed) % 3]
    targets = targets_of(masked(kind, seed, layout, PLAIN[:1]), KINDS[kind].model, (layout,))
    first, last = max(0, seed - 20_000), min(2**32, seed + 20_000)
    hits = first_mask.scan(targets, first=first, last=last)
    assert [(s, targets[n].kind) for s, n in hits] == [(seed, kind)]


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3), (12, 40, 1)])
def test_small_images_use_further_encodings(shape: tuple[int, int, int]) -> None:
    h, w, c = shape
    plain = mixtures(6, 3, 40)[:, :h, :w, :c] + np.float32(0.8)  # smooth crops
    x = masked(0, 77, NHWC, plain)
    target = first_mask.pair_target(x, 0, NHWC)
    assert target.usable and target.best.max() >= 200
    assert first_mask.scan([target], last=5000) == [(77, 0)]


def test_too_few_pairs_are_not_scanned() -> None:
    x = masked(0, 5, NHWC, mixtures(1, 3, 8)[:, :4, :4, :1])
    target = first_mask.pair_target(x, 0, NHWC)
    assert not target.usable and target.allowed == -1
    assert first_mask.scan([target], last=100) == []
    search = Search(x, True, View(x), Context(0))
    assert by_first_mask(search, [Range(range(100), "few")], kinds=(0,)) is None
    assert search.scanned[0]["range"] == "none" and search.scanned[0]["outcome"].startswith("not possible")


def test_disagreements_allowed_keep_chance_small() -> None:
    target = first_mask.pair_target(PLAIN, 0, NHWC)
    assert target.best.shape == (2, 96) and target.allowed == 11
    assert target.early.shape == (2, 32) and (target.early == target.best[:, :32]).all()
    # no cycles: every pair joins two parts
    parts = {int(v): {int(v)} for v in target.best.flat}
    for a, b in target.best.T:
        assert parts[int(a)] is not parts[int(b)]
        joined = parts[int(a)] | parts[int(b)]
        parts.update(dict.fromkeys(joined, joined))


@pytest.mark.parametrize(("kind", "layout"), [(2, NHWC), (6, NCHW), (8, NHW), (12, NHWC)])
def test_found_with_its_kind_and_layout_and_unmasked(kind: int, layout: Layout) -> None:
    x = masked(kind, 4321, layout)
    search = Search(x, True, View(x), Context(0))
    search.layouts = (NHW,) if layout is NHW else (NHWC, NCHW)
    found = by_first_mask(search, [Range(range(6000), "0..5,999")])
    assert found is not None and found.unmasked is not None and found.unmasked.known.all()
    assert found.diagnostics["generator"] == KINDS[kind].generator and f"; {layout.id})" in found.sentence
    assert len(search.scanned) == len(KINDS) * len(search.layouts)
    assert [row["outcome"] for row in search.scanned].count("seed 4321") == 1
    same = np.sign(found.unmasked.mixtures) == np.sign(PLAIN)
    assert same.all() or not same[PLAIN != 0].any()


@pytest.mark.parametrize("model", lanes.REACH)
def test_no_seed_explains_secure_masks(model: str) -> None:
    seeds = 4 << 20 if lanes.REACH[model] is None else 1 << 20
    for _ in range(2):
        bits = np.unpackbits(np.frombuffer(os.urandom(PLAIN[0].size // 8), np.uint8))
        x = PLAIN[:1] * (2 * bits.astype(np.int8) - 1).reshape(PLAIN[:1].shape)
        assert first_mask.scan(targets_of(x, model), last=seeds // 2) == []


def test_passes_let_through_about_as_many_as_chance() -> None:
    # two-sided: a filter that drops everything, or nothing, would show
    x = masked(0, 1, NHWC, PLAIN[:1])
    target = first_mask.pair_target(x, 0, NHWC)
    seeds = np.arange(10_000, 10_000 + (1 << 16)).astype(np.uint32)
    for pairs, allowed, chance in ((3, 0, 1 / 8), (8, 0, 1 / 256), (16, 1, 17 / 65536)):
        lane, owner = first_mask.passer(first_mask.stage([target], pairs, allowed))(seeds)
        expected = chance * len(seeds)
        assert abs(len(lane) - expected) < 5 * np.sqrt(expected) and not owner.any()


def test_one_encoding_of_a_release_that_starts_elsewhere_is_not_explained() -> None:
    bits = first_bits(9, 2 * PLAIN[0].size, 0)[PLAIN[0].size :]
    x = PLAIN[:1] * (2 * bits.astype(np.int8) - 1)[NHWC.index(PLAIN.shape[1:])]
    assert first_mask.scan([first_mask.pair_target(x, 0, NHWC)], last=1 << 16) == []


@pytest.mark.parametrize("model", lanes.REACH)
def test_torch_passes_agree(model: str) -> None:
    kind = next(k for k, v in KINDS.items() if v.model == model)
    targets = targets_of(masked(kind, 2**32 - 700, NCHW), model, (NHWC, NCHW))
    seeds = np.arange(2**32 - 1700, 2**32).astype(np.uint32)
    for size, allowed in first_mask.stages(model):
        stage = first_mask.stage(targets, size, allowed)
        lane, owner = first_mask.passer(stage)(seeds)
        passed, target = first_mask.passer_torch(stage, "cpu")(seeds)
        assert sorted(zip(owner, lane)) == sorted(zip(target, passed))
        assert 1000 in passed[[targets[n].kind == kind and targets[n].layout is NCHW for n in target]]


@pytest.mark.slow
def test_attack_reports_the_seed() -> None:
    x = masked(1, 777_777, NHWC)
    out = Prng(seedless="no").run(View(x, None, (-1.0, 1.0)), Context(0))
    assert out.broke is True and out.diagnostics["origin"] == {"kind": "seed", "seed": 777_777}
    assert out.diagnostics["generator"] == KINDS[1].generator and out.diagnostics["unmasked"] == len(x)
