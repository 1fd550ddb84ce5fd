"""Min-cost flow against brute force and networkx, and the stage `assignment=flow`."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from ihaudit.attacks.numerics.cluster_scores import cluster_scores
from ihaudit.attacks.numerics.flow import Capacity, balanced_targets, soft_slack, solve
from ihaudit.attacks.stages.state import Assigned, Grouped, Scores, State
from ihaudit.contracts.attack import get_stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from tests.attacks.numerics.flow_network import flow_graph, solve_networkx
from tests.attacks.releases import instahide
from tests.attacks.states import true_state

EXACT = np.zeros(0)


def with_members(state: State, members: np.ndarray) -> State:
    return state.having(replace(state.require(Assigned), members=members))


def worth(chosen: np.ndarray, gain: np.ndarray, capacity: Capacity) -> float:
    """Total gain less the cost of sets that miss their target; -inf where that is forbidden."""
    if not np.isfinite(gain[chosen]).all():
        return -np.inf
    total = float(gain[chosen].sum())
    for off in np.abs(chosen.sum(0) - capacity.target).astype(int):
        if capacity.exact:
            if off:
                return -np.inf
        else:
            total -= capacity.slack[:off].sum() + max(0, off - len(capacity.slack)) * capacity.slack[-1]
    return total


def brute_force(gain: np.ndarray, supply: np.ndarray, capacity: Capacity) -> float:
    """The best worth over every way to deal the encodings to the sets."""
    sets = range(gain.shape[1])
    ways = product(*[list(combinations(sets, int(n))) for n in supply])
    return max(worth(np.array([[r in chosen for r in sets] for chosen in way]), gain, capacity) for way in ways)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), soft=st.booleans(), holes=st.booleans())
def test_the_optimum_is_that_of_brute_force_and_of_networkx(seed: int, soft: Any, holes: Any) -> None:
    rng = np.random.default_rng(seed)
    gain = rng.normal(size=(5, 3)) * rng.choice([0.1, 1, 10])
    supply = rng.integers(1, 3, 5)
    if holes:
        gain[0, 2] = -np.inf
    target = balanced_targets(int(supply.sum()), 3).astype(float)
    capacity = Capacity(target, soft_slack(2.0, most=2) if soft else EXACT)
    best = brute_force(gain, supply, capacity)
    if not np.isfinite(best):
        with pytest.raises(NotApplicable):
            solve(gain, supply, capacity)
        return
    found = solve(gain, supply, capacity)
    assert (found.chosen.sum(1) == supply).all()
    assert worth(found.chosen, gain, capacity) == pytest.approx(best, abs=1e-6)
    assert worth(solve_networkx(gain, supply, capacity), gain, capacity) == pytest.approx(best, abs=1e-4)


def test_the_graph_is_the_papers() -> None:
    graph = flow_graph(np.zeros((4, 2)), np.full(4, 2), Capacity(np.full(2, 4.0), EXACT))
    assert graph.nodes["source"]["demand"] == -8
    assert [graph.edges["source", ("set", r)]["capacity"] for r in range(2)] == [4, 4]
    assert all(graph.nodes["encoding", e]["demand"] == 2 for e in range(4))
    assert all(graph.edges[("set", r), ("encoding", e)]["capacity"] == 1 for r in range(2) for e in range(4))
    assert sum(nx.network_simplex(graph)[1]["source"].values()) == 8


def test_columns_left_out_at_first_enter_where_they_help() -> None:
    # every encoding likes the same sets best; the capacities force most of them far down their lists
    rng = np.random.default_rng(0)
    gain = -np.arange(40.0)[None] + 0.1 * rng.normal(size=(200, 40))
    supply = np.full(200, 2)
    capacity = Capacity(balanced_targets(400, 40).astype(float), EXACT)
    found = solve(gain, supply, capacity)
    assert found.rounds > 1 and (found.chosen.sum(0) == 10).all()
    assert worth(found.chosen, gain, capacity) == pytest.approx(
        worth(solve_networkx(gain, supply, capacity), gain, capacity), abs=1e-2
    )


def test_soft_capacities_give_way_to_strong_evidence_and_hold_without() -> None:
    gain = np.zeros((12, 2))
    gain[:8, 0] = 20  # eight are sure of the first set, four do not care
    supply = np.ones(12, dtype=np.int64)
    soft = Capacity(np.full(2, 6.0), soft_slack(6.0))
    assert solve(gain, supply, soft).chosen.sum(0).tolist() == [8, 4]
    assert solve(gain, supply, Capacity(np.full(2, 6.0), EXACT)).chosen.sum(0).tolist() == [6, 6]
    assert solve(np.zeros((12, 2)), supply, soft).chosen.sum(0).tolist() == [6, 6]


def test_slack_costs_are_those_of_a_normal_count() -> None:
    cost = np.cumsum(soft_slack(50.0))
    n = np.arange(1, len(cost) + 1)
    np.testing.assert_allclose(cost, n**2 / 100)
    assert (np.diff(soft_slack(50.0)) > 0).all()


def test_impossible_capacities_are_refused() -> None:
    with pytest.raises(NotApplicable, match=r"2 places and only 1 sets"):
        solve(np.array([[0.0, -np.inf]]), np.array([2]), Capacity(np.ones(2), EXACT))
    with pytest.raises(NotApplicable, match="cannot be dealt"):
        solve(np.zeros((2, 2)), np.ones(2, dtype=np.int64), Capacity(np.array([3.0, 0.0]), EXACT))


def accuracy(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of true memberships among those found, encodings that mix an image with itself left out."""
    some = truth[:, 0] != truth[:, 1]
    return float((found[some][:, :, None] == truth[some][:, None]).any(1).mean())


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("sparse", [True, False])
def test_true_scores_give_the_true_members(exact: bool, sparse: bool) -> None:
    sample = instahide(n=12, epochs=10)
    state = true_state(sample, sample.members, exact=exact)
    truth = state.require(Assigned).members
    scores = np.full((len(truth), 12), -np.inf, np.float32)
    for c, ids in enumerate(state.require(Grouped).of_class):
        rows = np.nonzero((state.observed.slots.label == c).any(1))[0]
        scores[np.ix_(rows, ids)] = -3
    for j in range(2):
        scores[np.arange(len(truth)), truth[:, j]] = 3
    if sparse:
        row, column = np.nonzero(np.isfinite(scores))
        given = csr_matrix((scores[row, column], (row, column)), shape=scores.shape)
    else:
        given = scores
    state = with_members(state, np.full_like(truth, -1)).having(Scores(given))
    found, diagnostics = get_stage("assignment", "flow")(state, Context(seed=0))
    assert accuracy(found.require(Assigned).members, truth) > 0.99
    assert diagnostics["scores_from"] == "membership"
    of = np.concatenate([np.full(len(ids), c) for c, ids in enumerate(state.require(Grouped).of_class)])
    held = found.require(Assigned).members >= 0
    assert (of[found.require(Assigned).members[held]] == state.observed.slots.label[held]).all()
    if exact:
        assert diagnostics["furthest_from_capacity"] == 0
        assert found.require(Assigned).members.shape == truth.shape


def test_scores_from_squares_improve_a_poor_grouping() -> None:
    sample = instahide(n=12, epochs=40, k=3)
    rng = np.random.default_rng(1)
    state = true_state(sample, sample.members)
    truth = state.require(Assigned).members.copy()
    spoilt = truth.copy()
    for c, ids in enumerate(state.require(Grouped).of_class):
        wrong = (state.observed.slots.label == c) & (rng.random(truth.shape) < 0.5)
        spoilt[wrong] = rng.choice(ids, int(wrong.sum()))
    found, diagnostics = get_stage("assignment", "flow")(with_members(state, spoilt), Context(seed=0))
    assert diagnostics["scores_from"] == "squares"
    assert accuracy(found.require(Assigned).members, truth) > accuracy(spoilt, truth) + 0.1
    assert found.require(Assigned).certainty.min() >= 0 and found.require(Assigned).certainty.max() <= 1


def test_scores_from_squares_equal_a_plain_loop() -> None:
    sample = instahide(n=8, epochs=6)
    rng = np.random.default_rng(0)
    state = true_state(sample, sample.members)
    features = torch.from_numpy(rng.normal(size=(len(sample.encodings), 7)).astype(np.float32))
    weight = torch.from_numpy(rng.uniform(0.5, 2, len(sample.encodings)).astype(np.float32))
    ours = cluster_scores(
        features,
        weight,
        state.observed.slots,
        state.require(Assigned).members,
        state.require(Grouped).of_class,
        linear=False,
    )
    f, w = features.numpy().astype(float), weight.numpy().astype(float)
    of = np.concatenate([np.full(len(ids), c) for c, ids in enumerate(state.require(Grouped).of_class)])
    lam2 = state.observed.slots.mass.astype(float) ** 2
    for e in range(12):
        for r in range(8):
            slot = np.nonzero(state.observed.slots.label[e] == of[r])[0]
            if len(slot) == 0:
                assert ours[e, r] == -np.inf
                continue
            top, bottom, norm_top, norm_bottom = np.zeros(7), 1e-6, np.zeros(7), 1e-6
            for i in range(len(f)):
                vote = lam2[i][state.require(Assigned).members[i] == r].sum()
                norm_top, norm_bottom = norm_top + w[i] * vote * f[i], norm_bottom + w[i] * vote**2
                if i != e:
                    top, bottom = top + w[i] * vote * f[i], bottom + w[i] * vote**2
            own = lam2[e, slot].max()
            mean = norm_top / norm_bottom
            slow = w[e] * (own * f[e] @ (top / bottom) - own**2 * mean @ mean / 2)
            assert ours[e, r] == pytest.approx(slow, rel=2e-3, abs=2e-3)
