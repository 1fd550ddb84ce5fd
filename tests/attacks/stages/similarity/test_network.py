"""The similarity network as a stage: what it finds with the shipped weights, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import issparse

from ihaudit.attacks.numerics import graph as similarity_graph
from ihaudit.attacks.numerics.graph import edge_sample, nodes_of
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.similarity import network as similarity_net
from ihaudit.attacks.stages.state import Pairs, State
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.nn import weights
from ihaudit.nn.similarity_wrn import PairWrn, WrnConfig
from ihaudit.stats import auc
from tests.attacks.releases import Sample, blobs
from tests.attacks.stages.begun import CTX, begin, shared


def test_the_network_tells_pairs_apart_and_compares_only_pairs_that_labels_allow(
    sample: Sample, grouped: State
) -> None:
    graph, slots = grouped.require(Pairs).graph, grouped.observed.slots
    i, j, odds = edge_sample(graph, 20_000, np.random.default_rng(0))
    assert (auc(odds, shared(sample, i, j)).value or 0) > 0.8
    shares_class = ((sample.labels[i] > 0) & (sample.labels[j] > 0)).any(1)
    assert shares_class.all()
    for g in graph:
        rows, columns = nodes_of(slots, g.label)
        assert np.array_equal(rows, g.rows) and (slots.label[rows, columns] == g.label).all()
        w = g.lines(np.arange(len(g)))
        np.testing.assert_allclose(w, w.T, atol=1e-4)
        assert not w.diagonal().any()
    assert grouped.records[0].diagnostics["augmentation"] == "none seen"


def test_large_classes_give_the_same_strong_edges(
    sample: Sample, grouped: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity_graph, "MAX_COMPLETE", 20)
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
    assert (auc(odds, shared(sample, i, j)).value or 0) > 0.75
    state = state.run(CTX, "grouping", "cliques").run(CTX, "membership", "network")
    assert "mirrored" in state.records[-1].diagnostics["scores_from"]


@pytest.mark.parametrize(("name", "shape"), [("similarity", (16, 16, 3)), ("membership", (32, 32, 1))])
def test_other_shapes_are_not_applicable(name: str, shape: tuple[int, int, int]) -> None:
    state = start(View(encodings=blobs((10, *shape))), CTX)
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
