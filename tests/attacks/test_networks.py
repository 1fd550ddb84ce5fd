"""The networks as stages: what they find in a release with the shipped weights, what they refuse, what noise gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import issparse

from ihaudit.attacks.numerics import pair_odds, set_scores
from ihaudit.attacks.numerics.graph import edge_sample, nodes_of
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.membership import network as membership_net
from ihaudit.attacks.stages.similarity import network as similarity_net
from ihaudit.attacks.stages.state import Grouped, Pairs, Scores, State
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.nn import weights
from ihaudit.nn.shipped import load_similarity
from ihaudit.nn.similarity import PairNet
from ihaudit.nn.similarity_wrn import PairWrn, WrnConfig
from ihaudit.stats import auc
from tests.attacks.releases import Sample, instahide
from tests.attacks.states import view_of

CTX = Context(seed=1)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return instahide(n=12, epochs=10, k=3, seed=2, size=32)


def begin(encodings: np.ndarray, sample: Sample) -> State:
    return start(view_of(sample, encodings=encodings, hints={"n_private": 12}), CTX)


@pytest.fixture(scope="module")
def grouped(sample: Sample) -> State:
    state = begin(sample.encodings, sample).run(CTX, "similarity", "network")
    return state.run(CTX, "grouping", "cliques")


def truth(sample: Sample, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    result: np.ndarray = (sample.members[i][:, :, None] == sample.members[j][:, None, :]).any((1, 2))
    return result


def test_the_network_tells_pairs_apart_and_compares_only_pairs_that_labels_allow(
    sample: Sample, grouped: State
) -> None:
    graph, slots = grouped.require(Pairs).graph, grouped.observed.slots
    i, j, odds = edge_sample(graph, 20_000, np.random.default_rng(0))
    assert (auc(odds, truth(sample, i, j)).value or 0) > 0.8
    shares_class = ((sample.labels[i] > 0) & (sample.labels[j] > 0)).any(1)
    assert shares_class.all()
    for g in graph:
        rows, columns = nodes_of(slots, g.label)
        assert np.array_equal(rows, g.rows) and (slots.label[rows, columns] == g.label).all()
        w = g.lines(np.arange(len(g)))
        np.testing.assert_allclose(w, w.T, atol=1e-4)
        assert not w.diagonal().any()
    assert grouped.records[0].diagnostics["augmentation"] == "none seen"


def test_cliques_of_the_network_are_pure_and_noise_has_none(sample: Sample, grouped: State) -> None:
    def purity(state: State) -> float:
        cliques = state.require(Grouped).cliques
        assert cliques is not None
        held = [sample.members[c[c >= 0]] for c in cliques]
        return float(np.mean([max((m == v).any(1).mean() for v in np.unique(m)) for m in held]))

    noise = np.random.default_rng(0).normal(size=sample.encodings.shape).astype(np.float32)
    nothing = begin(noise, sample).run(CTX, "similarity", "network").run(CTX, "grouping", "cliques")
    assert purity(grouped) > 0.85 > 0.75 > purity(nothing)


@pytest.mark.parametrize("variant", ["network", "mean"])
def test_membership_scores_tell_members_from_others(sample: Sample, grouped: State, variant: str) -> None:
    scores = grouped.run(CTX, "membership", variant).require(Scores).scores
    assert isinstance(scores, np.ndarray) and scores.shape == (len(sample.encodings), 12) and scores.dtype == np.float32
    sets = grouped.require(Grouped)
    assert sets.cliques is not None
    class_of = np.concatenate([np.full(len(ids), c) for c, ids in enumerate(sets.of_class)])
    allowed = sample.labels[:, class_of] > 0
    assert np.array_equal(np.isfinite(scores), allowed)
    held = [sample.members[c[c >= 0]] for c in sets.cliques]
    image = np.array([np.bincount(m.ravel(), minlength=12).argmax() for m in held])
    holds = (sample.members[:, :, None] == image[None, None]).any(1)
    assert (auc(scores[allowed], holds[allowed]).value or 0) > 0.9
    again = grouped.run(CTX, "membership", variant).require(Scores).scores
    assert np.array_equal(again, scores)


def test_many_scores_become_sparse(grouped: State, monkeypatch: pytest.MonkeyPatch) -> None:
    dense = grouped.run(CTX, "membership", "mean").require(Scores).scores
    monkeypatch.setattr(set_scores, "DENSE_SCORES", 10)
    sparse = grouped.run(CTX, "membership", "mean").require(Scores).scores
    assert issparse(sparse) and not isinstance(sparse, np.ndarray) and isinstance(dense, np.ndarray)
    allowed = np.isfinite(dense)
    assert sparse.nnz == allowed.sum()
    np.testing.assert_allclose(sparse.toarray()[allowed], dense[allowed], atol=1e-6)


def test_large_classes_give_the_same_strong_edges(
    sample: Sample, grouped: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity_net, "MAX_COMPLETE", 20)
    state = begin(sample.encodings, sample).run(CTX, "similarity", "network")
    for g, whole in zip(state.require(Pairs).graph, grouped.require(Pairs).graph, strict=True):
        if issparse(g.weights):
            lines, all_lines = g.lines(np.arange(len(g))), whole.lines(np.arange(len(g)))
            strong = lines > g.floor + 1e-3
            np.testing.assert_allclose(lines[strong], all_lines[strong], atol=1e-3)


def test_mirrored_images_are_noticed_and_membership_falls_back_on_the_mean(sample: Sample) -> None:
    rng = np.random.default_rng(3)
    mirrored = sample.encodings.copy()
    # one image per encoding is strong: mirroring the whole encoding mirrors it
    turn = rng.random(len(mirrored)) < 0.5
    mirrored[turn] = mirrored[turn, :, ::-1]
    state = begin(mirrored, sample).run(CTX, "similarity", "network")
    assert state.records[-1].diagnostics["augmentation"] == "mirrored"
    i, j, odds = edge_sample(state.require(Pairs).graph, 20_000, np.random.default_rng(0))
    assert (auc(odds, truth(sample, i, j)).value or 0) > 0.75
    state = state.run(CTX, "grouping", "cliques").run(CTX, "membership", "network")
    assert "mirrored" in state.records[-1].diagnostics["scores_from"]


@pytest.mark.parametrize(("name", "shape"), [("similarity", (16, 16, 3)), ("membership", (32, 32, 1))])
def test_other_shapes_are_not_applicable(name: str, shape: tuple[int, int, int]) -> None:
    x = np.random.default_rng(0).normal(size=(10, *shape)).astype(np.float32)
    state = start(View(encodings=x), CTX)
    with pytest.raises(NotApplicable, match="32 x 32 x 3"):
        state.run(CTX, name, "network")


def test_a_wide_resnet_on_a_processor_says_how_long_it_would_take(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = WrnConfig(blocks=1, widen=1, base=4)
    weights.save(PairWrn(config), config.as_dict(), tmp_path / "w.safetensors", {})
    monkeypatch.setattr(similarity_net, "MAX_SLOW_PAIRS", 100)
    ctx = replace(CTX, options={"similarity_weights": str(tmp_path / "w.safetensors")})
    with pytest.raises(NotApplicable, match="Wide ResNet"):
        begin(sample.encodings, sample).run(ctx, "similarity", "network")
    rows = {f: getattr(sample, f)[:30] for f in ("encodings", "labels", "members", "lambdas")}
    few = replace(sample, **rows)
    monkeypatch.setattr(similarity_net, "MAX_SLOW_PAIRS", 10_000)
    state = begin(few.encodings, few).run(ctx, "similarity", "network")
    assert state.require(Pairs).graph and state.require(Pairs).embedding is None


def test_membership_weights_of_another_encoder_are_refused(grouped: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership_net, "shipped_encoder", lambda: "other")
    with pytest.raises(NotApplicable, match="other similarity weights"):
        grouped.run(CTX, "membership", "network")


def test_embeddings_in_blocks_equal_one_pass(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    net = load_similarity()
    assert isinstance(net, PairNet)
    monkeypatch.setattr(pair_odds, "bf16_is_fast", lambda device: False)
    monkeypatch.setattr(pair_odds, "EMBED", 5)
    rows = begin(sample.encodings, sample).observed.values[:12]
    parts = pair_odds.embed(net, rows)
    with torch.inference_mode():
        whole = net.embed(rows.view(-1, 3, 32, 32))
    for a, b in zip(parts, whole, strict=True):
        torch.testing.assert_close(a.float(), b, atol=5e-3, rtol=5e-3)
