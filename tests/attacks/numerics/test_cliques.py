"""Cliques against direct implementations of what the paper says, on planted graphs and on noise."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from ihaudit.attacks.numerics import cliques, graph, squares_graph
from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.state import Assigned, Features, Grouped, State
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from tests.attacks.releases import Sample, blobs, instahide
from tests.attacks.states import view_of

CTX = Context(seed=1)


def random_graph(n: int, seed: int = 0) -> graph.ClassGraph:
    w = np.random.default_rng(seed).normal(size=(n, n)).astype(np.float32)
    w = w + w.T
    np.fill_diagonal(w, 0)
    return graph.ClassGraph(0, np.arange(n), np.zeros(n, np.int64), w)


def planted(images: int, each: int, signal: float, seed: int = 0) -> tuple[graph.ClassGraph, np.ndarray]:
    g = random_graph(images * each, seed)
    truth = np.repeat(np.arange(images), each)
    w = g.weights + signal * (truth[:, None] == truth[None]) - signal / 2
    np.fill_diagonal(w, 0)
    return replace(g, weights=w.astype(np.float32)), truth


def greedy(w: np.ndarray, start: int, size: int) -> list[int]:
    """S <- S + argmax_j sum_{i in S} sim(i, j), word by word."""
    chosen = [start]
    while len(chosen) < size:
        best, value = -1, -np.inf
        for j in range(len(w)):
            total = sum(float(w[i, j]) for i in chosen)
            if j not in chosen and total > value:
                best, value = j, total
        chosen.append(best)
    return chosen


@given(st.integers(3, 14), st.integers(0, 10_000), st.data())
@settings(max_examples=25, deadline=None)
def test_growth_equals_the_formula(n: int, seed: int, data: st.DataObject) -> None:
    g = random_graph(n, seed)
    size = data.draw(st.integers(1, n))
    found = cliques.grow(g, np.arange(n), size)
    assert [list(s) for s in found] == [greedy(g.weights, i, size) for i in range(n)]


def test_growth_on_a_sparse_graph_that_keeps_all_edges_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    dense = random_graph(30)
    floor = float(dense.weights.min()) - 1
    half = graph.strongest(dense.weights, 0, 29, floor)
    sparse = replace(dense, weights=half.maximum(half.T).tocsr(), floor=floor)
    assert isinstance(sparse.weights, csr_matrix)
    off = ~np.eye(30, dtype=bool)
    np.testing.assert_allclose(sparse.lines(np.arange(30))[off], dense.weights[off], atol=1e-5)
    monkeypatch.setattr(cliques, "BATCH", 7)
    assert np.array_equal(cliques.grow(sparse, np.arange(30), 10), cliques.grow(dense, np.arange(30), 10))


@given(st.sets(st.integers(0, 20), min_size=5, max_size=5), st.sets(st.integers(0, 20), min_size=5, max_size=5))
def test_half_the_symmetric_difference_is_half_the_squared_distance_of_indicators(a: set[int], b: set[int]) -> None:
    points = cliques.indicators(np.array([sorted(a), sorted(b)]), 21)
    assert len(a ^ b) / 2 == ((points[0] - points[1]) ** 2).sum() / 2


def test_kmeans_cost_equals_its_definition_and_finds_plain_clusters() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 12)
    sets = np.stack([rng.permutation(np.arange(10 * c, 10 * c + 10))[:8] for c in truth])
    points = cliques.indicators(sets, 40)
    label, means, cost = cliques.kmeans(points, 4, rng)
    direct = sum(((points[i] - points[label == label[i]].mean(0)) ** 2).sum() / 2 for i in range(len(points)))
    assert cost == pytest.approx(direct, rel=1e-4)
    for a, b in pairwise(range(len(truth))):
        assert (label[a] == label[b]) == (truth[a] == truth[b])
    np.testing.assert_allclose(means[label[0]], points[:12].mean(0), atol=1e-6)


def test_kmeans_survives_more_clusters_than_different_points() -> None:
    label, _, cost = cliques.kmeans(np.ones((5, 3), np.float32), 4, np.random.default_rng(0))
    assert len(label) == 5 and cost == pytest.approx(0, abs=1e-5)


def test_planted_images_are_found_and_affinity_is_the_mean_without_oneself() -> None:
    g, truth = planted(6, 20, 2.0)
    found = cliques.find_cliques(g, 6, 8, np.random.default_rng(0))
    owner = [np.bincount(truth[s]).argmax() for s in found.sets]
    assert sorted(owner) == list(range(6))
    assert np.mean([(truth[s] == o).mean() for s, o in zip(found.sets, owner)]) > 0.95
    assert found.spread < 0.4
    nodes = found.sets[2]
    for i in (int(nodes[0]), int(np.setdiff1d(np.arange(120), nodes)[0])):
        others = [j for j in nodes if j != i]
        assert found.affinity[i, 2] == pytest.approx(g.weights[i, others].mean(), rel=1e-3, abs=1e-5)


def test_noise_gives_no_cliques_worth_the_name() -> None:
    planted_graph, truth = planted(6, 20, 2.0, 3)
    signal = cliques.find_cliques(planted_graph, 6, 8, np.random.default_rng(0))
    noise = cliques.find_cliques(random_graph(120, 3), 6, 8, np.random.default_rng(0))
    purity = [np.mean([np.bincount(truth[s]).max() / 8 for s in f.sets]) for f in (signal, noise)]
    assert purity[0] > 0.95 > 0.5 > purity[1]
    assert noise.spread > 1.3 * signal.spread  # greedy growth finds the densest spots of noise too, but less often


def test_twice_as_many_sets_as_images_are_recognised_and_merged() -> None:
    g, truth = planted(6, 20, 2.0)
    for k in (3, 6, 12):
        found = cliques.find_cliques(g, k, 8, np.random.default_rng(0))
        assert cliques.same_image(found).max() + 1 == min(k, 6)
    kept = cliques.merged(found, 6)
    assert sorted(np.bincount(truth[s]).argmax() for s in kept.sets) == list(range(6))
    assert kept.affinity.shape == (120, 6)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return instahide(n=12, epochs=30, k=3, seed=2)


def grouped(sample: Sample, encodings: np.ndarray, **hints: int) -> State:
    state = start(view_of(sample, encodings=encodings, hints=hints), CTX)
    return state.run(CTX, "similarity", "squares").run(CTX, "grouping", "cliques")


def share_of_image(sample: Sample, state: State) -> list[float]:
    """Of each clique, the share of its encodings that hold the image which most of them hold."""
    found = state.require(Grouped).cliques
    assert found is not None
    members = [sample.members[c[c >= 0]] for c in found]
    return [np.bincount(m.ravel(), minlength=12).max() / len(m) for m in members]


def test_stage_finds_the_images_of_a_release_and_noise_has_none(sample: Sample) -> None:
    state = grouped(sample, sample.encodings, n_private=12)
    share = share_of_image(sample, state)
    assert len(share) == state.require(Grouped).unknowns == 12
    noise = blobs(sample.encodings.shape)
    nothing = grouped(sample, noise, n_private=12)
    assert np.mean(share) > 0.9 > 0.75 > np.mean(share_of_image(sample, nothing))
    spread = [s.records[-1].diagnostics["set_spread"] for s in (state, nothing)]
    assert spread[1] > spread[0]
    again = grouped(sample, sample.encodings, n_private=12)
    assert np.array_equal(again.require(Assigned).members, state.require(Assigned).members)


def test_members_stay_within_their_class_and_equal_classes_get_two_sets(sample: Sample) -> None:
    state = grouped(sample, sample.encodings, n_private=12)
    members, slots = state.require(Assigned).members, state.observed.slots
    class_of = np.concatenate([np.full(len(ids), c) for c, ids in enumerate(state.require(Grouped).of_class)])
    assert (members >= 0).all() and (class_of[members] == slots.label).all()
    assert slots.shared.any() and (members[slots.shared, 0] != members[slots.shared, 1]).all()


def test_squares_graph_is_calibrated_on_unrelated_pairs(sample: Sample) -> None:
    state = start(view_of(sample), CTX).run(CTX, "similarity", "squares")
    features = state.require(Features)
    graphs = squares_graph.squares_graph(features.rows, features.weight, state.observed.slots)
    i, j, odds = graph.edge_sample(graphs, 100_000, np.random.default_rng(0))
    same = (sample.members[i][:, :, None] == sample.members[j][:, None, :]).any((1, 2))
    assert odds[same].mean() > 0 > odds[~same].mean()
    assert np.exp(np.clip(odds[~same], -20, 20)).mean() < 3  # odds that mean what they say average 1


def test_large_classes_become_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MAX_COMPLETE", 40)
    monkeypatch.setattr(graph, "NEIGHBOURS", 16)
    features = torch.randn(60, 30, generator=torch.Generator().manual_seed(0))
    slots = read_slots(np.full((60, 1), 0.5, np.float32), 60, per_encoding=1)
    (g,) = squares_graph.squares_graph(features, torch.ones(60), slots)
    assert isinstance(g.weights, csr_matrix) and g.weights.nnz < 60 * 40
    assert abs(g.weights - g.weights.T).max() < 1e-5


def test_edges_are_sampled_as_they_are() -> None:
    g, _ = planted(3, 10, 1.0)
    for limit in (50, 10_000):
        i, j, odds = graph.edge_sample([g], limit, np.random.default_rng(1))
        assert len(i) == min(limit, 435) and (i != j).all()
        np.testing.assert_allclose(odds, g.weights[i, j])


def test_nothing_to_group_is_said() -> None:
    x = blobs((8, 16, 16, 3))
    state = start(View(encodings=x), CTX)
    with pytest.raises(NotApplicable, match="no similarity"):
        state.run(CTX, "grouping", "cliques")
