"""Seedless recovery, seeds by stepping back, streams with gaps, scans: positive and null controls."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import INTERLEAVED, NCHW, NHWC, PLAIN, Convention, Layout
from ihaudit.attacks.prng.pairs import agreement, rank_pairs, smoothness, spanning_forest
from ihaudit.attacks.prng.scans import labels as labelscan
from ihaudit.attacks.prng.scans import masks as maskscan
from ihaudit.attacks.prng.seedless import equations as seedless
from ihaudit.attacks.prng.seedless import origin as seeds
from ihaudit.attacks.prng.stream import Stream, unmask
from tests.attacks.prng.helpers import mixtures

SHAPE = (32, 32, 3)


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    return mixtures(64, 3)


def signs(words: np.ndarray, convention: Convention, layout: Layout, count: int, shape: tuple = SHAPE) -> np.ndarray:
    size = layout.size(shape)
    bits = convention.bits(words)[: count * size].reshape(count, size)
    return (2 * bits.astype(np.int8) - 1)[:, layout.index(shape)]


def test_pairs_agree_and_forest_has_no_cycle(plain: np.ndarray) -> None:
    p = rank_pairs(plain[:40], 20_000)
    assert (np.diff(p.score) <= 0).all()
    assert p.differ.mean() < 1e-3  # unmasked: the best neighbours have equal signs
    u, v = p.encoding * 3072 + p.first, p.encoding * 3072 + p.second
    keep = spanning_forest(u, v, 5000)
    import networkx as nx

    forest = nx.Graph(zip(u[keep].tolist(), v[keep].tolist()))
    assert nx.is_forest(forest)
    assert forest.number_of_edges() == len(keep) == 5000


def test_border_pairs_are_left_out(plain: np.ndarray) -> None:
    p = rank_pairs(plain[:10], 10**6, skip_border=True)
    y1, x1 = np.divmod(p.first // 3, 32)
    y2, x2 = np.divmod(p.second // 3, 32)
    horizontal = y1 == y2
    assert x1[horizontal].min() == 4 and x2[horizontal].max() == 27
    assert y1[~horizontal].min() == 4 and y2[~horizontal].max() == 27
    assert y1[horizontal].min() == 0


def test_agreement_and_smoothness_tell_masked_from_plain(plain: np.ndarray) -> None:
    masked = plain * np.random.default_rng(0).choice([-1, 1], plain.shape)
    assert smoothness(plain).min() > 0.6 and np.abs(smoothness(masked)).max() < 0.15
    assert agreement(plain).min() > 0.8 and np.abs(agreement(masked) - 0.5).max() < 0.08


CASES = [
    ("numpy.random.randint", PLAIN[0], NHWC, lambda s: np.random.RandomState().randint(0, 2, s)),
    ("numpy.random.rand", PLAIN[0], NHWC, lambda s: np.random.RandomState().rand(*s) < 0.5),
    ("torch.randint NCHW", PLAIN[0], NCHW, lambda s: torch.randint(2, (s[0], s[3], s[1], s[2])).permute(0, 2, 3, 1)),
    ("numpy int8", INTERLEAVED[0], NHWC, lambda s: np.random.RandomState().randint(0, 2, s, dtype=np.int8)),
    ("torch.randn", INTERLEAVED[1], NHWC, lambda s: torch.randn(s) < 0),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "convention", "layout", "draw"), CASES, ids=[c[0] for c in CASES])
def test_unseeded_state_from_forty_encodings(plain, name, convention, layout, draw) -> None:  # type: ignore[no-untyped-def]
    x = plain[:40]
    bits = np.asarray(draw(x.shape), np.int8)
    released = x * (2 * bits - 1)
    trial = seedless.attempt(rank_pairs(released, 60_192), SHAPE, convention, layout, 40)
    assert trial.holds and trial.rank == 19937
    state = seedless.state_from_bits(convention, trial.bits)
    predicted = signs(mt.generate(state, convention.words_for(x.size)), convention, layout, 40)
    same = predicted == 2 * bits - 1
    assert same.all() or not same.any()  # which bit value is called +1 is no property of the stream


@pytest.mark.slow
def test_secure_masks_violate_half_of_the_surplus(plain: np.ndarray) -> None:
    released = plain[:40] * np.random.default_rng(0).choice([-1, 1], plain[:40].shape)
    trial = seedless.attempt(rank_pairs(released, 60_192), SHAPE, PLAIN[0], NHWC, 40)
    assert not trial.holds
    assert 35 < trial.inconsistent < 92  # 63.5 +- 5.6, five standard deviations either way


@pytest.mark.parametrize("pre", [0, 1, 5, 700, 1_200_000])
@pytest.mark.parametrize("key", [[0], [42], [2**32 - 1, 7], [1, 2, 3, 4]])
def test_origin_init_by_array(pre: int, key: list[int]) -> None:
    start = mt.init_by_array(np.array(key, np.uint32))
    found = seeds.origin(mt.raw(start, pre)[pre:], PLAIN[0], 2_000_000)
    assert found is not None
    assert (found.kind, found.offset) == ("init_by_array", pre)
    assert found.seed == sum(v << (32 * i) for i, v in enumerate(key))
    assert (seeds.restart(found) == start).all()


@pytest.mark.parametrize("pre", [0, 1, 623, 1_100_000])
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_origin_init_genrand(pre: int, seed: int) -> None:
    found = seeds.origin(mt.raw(mt.init_genrand(seed), pre)[pre:], PLAIN[0], 2_000_000)
    assert found is not None
    assert (found.kind, found.seed, found.offset) == ("init_genrand", seed, pre)


@pytest.mark.parametrize("pre", [0, 1, 2, 1000])
def test_origin_of_unseeded_numpy(pre: int) -> None:
    rs = np.random.RandomState()
    key = rs.get_state()[1].astype(np.uint32)
    drawn = rs.randint(0, 2**32, 1500, dtype=np.uint64).astype(np.uint32)
    state = mt.rewind(key, 1)[:624] if pre == 0 else mt.raw(key, pre - 1)[pre - 1 :]
    assert (mt.generate(state, 400) == drawn[pre : pre + 400]).all()
    found = seeds.origin(state, PLAIN[0], 5000)
    assert found is not None
    assert (found.kind, found.offset) == ("SeedSequence", pre)
    assert (seeds.restart(found)[1:] == key[1:]).all()


def test_no_origin_for_a_random_state() -> None:
    state = np.random.default_rng(0).integers(0, 2**32, 624, dtype=np.uint64).astype(np.uint32)
    assert seeds.origin(state, PLAIN[0], 300_000) is None


@pytest.mark.parametrize("convention", [PLAIN[0], PLAIN[2], INTERLEAVED[0]])
def test_stream_with_gaps_is_followed(plain: np.ndarray, convention: Convention) -> None:
    per, size = 16, 3072
    words = mt.generate(mt.init_genrand(5), 4 * (convention.words_for(per * size) + 997 * convention.words))
    rows, place = [], 0
    for _ in range(4):
        rows.append(signs(words[place:], convention, NHWC, per))
        place += convention.words_for(per * size) + 997 * convention.words
    x = plain * np.concatenate(rows)
    got = unmask(x, Stream(mt.init_genrand(5), convention), NHWC, reach=50_000)
    assert got.known.all()
    assert np.array_equal(got.mixtures, plain)
    assert got.gaps == [(16 * i, 997 * convention.per_step) for i in (1, 2, 3)]


def test_stream_runs_backwards_too(plain: np.ndarray) -> None:
    x = plain * signs(mt.generate(mt.init_genrand(5), plain.size), PLAIN[0], NHWC, len(plain))
    later = Stream(mt.init_genrand(5), PLAIN[0]).at(20 * 3072)
    got = unmask(x, later, NHWC, start=20, reach=1000)
    assert got.known.all() and np.array_equal(got.mixtures, plain)


def test_wrong_generator_unmasks_nothing(plain: np.ndarray) -> None:
    x = plain * np.random.default_rng(0).choice([-1, 1], plain.shape)
    assert not unmask(x, Stream(mt.init_genrand(5), PLAIN[0]), NHWC, reach=20_000).known.any()


def draw_labels(seed: int | None, k: int, rows: int) -> np.ndarray:
    """Labels of the reference recipe: two private coefficients of k, ten classes, order of classes random."""
    rs = np.random.RandomState(seed)
    lam = np.abs(rs.normal(size=(rows, k)))
    lam /= lam.sum(1, keepdims=True)
    bad = (lam.max(1) > 0.65) | (lam[:, :2].sum(1) < 0.3)
    lam[bad] = 1 / k + 0.01 * rs.rand(int(bad.sum()), k)  # redrawn later: not what the first draw shows
    classes = np.random.default_rng(1).integers(0, 10, (rows, 2))
    y = np.zeros((rows, 10), np.float32)
    np.add.at(y, (np.arange(rows), classes[:, 0]), lam[:, 0])
    np.add.at(y, (np.arange(rows), classes[:, 1]), lam[:, 1])
    return y


@pytest.mark.parametrize(("k", "digits"), [(4, None), (6, None), (2, None), (4, 4)])
def test_label_scan_finds_the_seed_and_nothing_else(k: int, digits: int | None) -> None:
    seed = 3_000_000_000 + 1234 * k
    y = draw_labels(seed, k, 100)
    if digits:
        y = y.round(digits)
    target = labelscan.target_from_labels(y, k)
    assert target.usable
    assert target.precision == pytest.approx(0.5 * 10**-digits if digits else 6e-8)
    hits = labelscan.scan(target, first=seed - 150_000, last=seed + 150_000, rows=6 if k == 6 else 4)
    assert hits == [seed]


def test_label_scan_null() -> None:
    y = draw_labels(None, 4, 100)
    assert labelscan.scan(labelscan.target_from_labels(y, 4), last=1 << 20) == []


def test_label_scan_says_when_it_cannot_work() -> None:
    assert not labelscan.target_from_labels(draw_labels(1, 4, 100), 5).usable
    assert not labelscan.target_from_labels(draw_labels(1, 4, 100).round(2), 4).usable
    assert not labelscan.target_from_labels(np.eye(10, dtype=np.float32), 4).usable


@pytest.mark.parametrize("convention", [PLAIN[0], PLAIN[1], PLAIN[2], INTERLEAVED[0], INTERLEAVED[1]])
def test_functionals_are_the_stream(convention: Convention) -> None:
    elements = np.random.default_rng(0).integers(0, 4000, 5)
    f = maskscan.functionals(convention, 1234, elements)
    for seed in (1, 77, 2**31):
        state = mt.init_genrand(seed)
        bits = convention.bits(mt.generate(state, 1234 + convention.words_for(4000) + 64)[1234:])[elements]
        assert ((np.bitwise_count(f & state).sum(1) & 1) == bits).all()


@pytest.mark.slow
def test_mask_scan_at_a_far_offset(plain: np.ndarray) -> None:
    seed, offset, count = 4_000_000_123, 2_000_003, 6
    words = mt.generate(mt.init_genrand(seed), offset + count * 3072)[offset:]
    x = plain[:count] * signs(words, PLAIN[0], NCHW, count)
    targets = [maskscan.target_from_masks(x, PLAIN[0], layout, offset) for layout in (NHWC, NCHW)]
    assert maskscan.scan(targets, first=seed - 50_000, last=seed + 50_000) == [(seed, 1)]
