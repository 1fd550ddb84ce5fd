"""The similarity networks: what they must be invariant to, and their training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ihaudit.nn import weights
from ihaudit.nn.fitting import TrainConfig, train
from ihaudit.nn.releases import ReleaseConfig
from ihaudit.nn.shipped import load_similarity
from ihaudit.nn.similarity import SHAPE, Facts, PairNet
from ihaudit.nn.similarity_wrn import PairWrn, WrnConfig
from ihaudit.nn.tasks.similarity import SimilarityTask, WrnTask, balanced_loss, chosen_pairs, upper
from tests.nn.samples import TINY, releases

CONFIG = TrainConfig(steps=4, batch=24, every=2, validation=256, bf16=False, rate=3e-3, average=0.5)


def task() -> SimilarityTask:
    return SimilarityTask(releases(), releases(seed=5), TINY)


def facts(n: int) -> Facts:
    g = torch.Generator().manual_seed(3)
    mass = torch.rand(n, generator=g) * 0.5
    return Facts(mass, 1 - 1.5 * mass, torch.rand(n, generator=g) < 0.3)


def test_comparison_is_symmetric_and_blocks_give_what_pairs_give() -> None:
    torch.manual_seed(0)
    net = PairNet(TINY).eval()
    torch.nn.init.normal_(net.head.direct.weight)
    torch.nn.init.normal_(net.head.last.weight)
    x, f = torch.rand(7, *SHAPE), facts(7)
    z = net.embed(x)
    whole = net.compare(z, z, f, f)
    torch.testing.assert_close(whole, whole.T, atol=1e-4, rtol=1e-4)
    some = net.compare_some(z, f, torch.tensor([0, 3]), torch.tensor([5, 1]))
    torch.testing.assert_close(some, whole[[0, 3], [5, 1]], atol=1e-4, rtol=1e-4)
    part = net.compare([v[:, :2] for v in z], [v[:, 4:] for v in z], f[:2], f[4:])
    torch.testing.assert_close(part, whole[:2, 4:], atol=1e-4, rtol=1e-4)
    scaled = net.embed(3 * x)
    for a, b in zip(z, scaled):  # nothing but the log RMS that the mask network is told depends on the scale
        assert a.shape == b.shape
    assert sum(v.shape[0] for v in z) == net.head.first.in_features


def test_whitened_embeddings_have_mean_zero_and_unit_deviation() -> None:
    net = PairNet(TINY)
    x = torch.rand(64, *SHAPE, generator=torch.Generator().manual_seed(0))  # energy at every frequency
    net.whiten(x)
    for i, values in enumerate(net.views_of(x)):
        z = (values - net.centre[i]) * net.gain[i].exp()[:, None, None]
        assert float(z.mean(0).abs().max().detach()) < 1e-2
        assert float(z.square().mean((0, 2, 3)).sub(1).abs().max().detach()) < 5e-2


def test_even_odds_before_training_and_balanced_loss() -> None:
    batch = releases().draw(np.random.default_rng(0), 24)
    logits, truth = upper(task().logits(PairNet(TINY), batch, CONFIG), batch)
    assert float(balanced_loss(logits, truth).detach()) == pytest.approx(np.log(2), abs=1e-3)
    good = torch.where(truth, 5.0, -5.0)
    assert balanced_loss(good, truth) < 0.01 < 4 < balanced_loss(-good, truth)
    i, j, which = chosen_pairs(batch, 10)
    assert int((~which).sum()) == 10 and (i < j).all()
    assert int(which.sum()) == int(batch.shares().triu(1).sum())


def test_resumed_training_equals_unbroken_training(tmp_path: Path) -> None:
    whole, record = train(task(), CONFIG, None, lambda _: None)

    def stop(line: str) -> None:
        if line.startswith("step 2/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(task(), CONFIG, tmp_path / "c.pt", stop)
    again, resumed = train(task(), CONFIG, tmp_path / "c.pt", lambda _: None)
    for (name, a), b in zip(whole.state_dict().items(), again.state_dict().values()):
        assert torch.equal(a, b), name
    assert [h["auc"] for h in record["history"]] == [h["auc"] for h in resumed["history"]]


def test_training_learns_pairs_of_strong_images() -> None:
    easy = ReleaseConfig(
        k=(2, 2), private=((1, 1.0),), max_lambda=(0.9, 0.9), plain=1, moved=0, unknown=0, any_class=1, per_image=6
    )
    t = SimilarityTask(releases(easy), releases(easy, 5), TINY)
    config = TrainConfig(steps=25, batch=36, every=25, validation=256, bf16=False, rate=5e-3, average=0.5)
    assert train(t, config, None, lambda _: None)[1]["history"][-1]["auc"] > 0.7


def test_wide_resnet_has_the_same_interface_and_trains_on_single_pairs(tmp_path: Path) -> None:
    # with 4 channels torch 2.13 frees memory twice in backward on processors without AVX-512
    small = WrnConfig(blocks=1, widen=1, base=8)
    t = WrnTask(releases(), releases(seed=5), small, validated=12)
    net, _ = train(t, TrainConfig(steps=1, batch=12, every=1, validation=12, bf16=False), None, lambda _: None)
    x, f = torch.rand(4, *SHAPE), facts(4)
    whole = net.compare(net.embed(x), net.embed(x), f, f, batch=5)
    torch.testing.assert_close(whole[1, 2], net.pairs(x[1:2], x[2:3])[0], atol=1e-4, rtol=1e-3)
    weights.save(net, t.network, tmp_path / "w.safetensors", {})
    again = load_similarity(tmp_path / "w.safetensors")
    assert isinstance(again, PairWrn) and again.config == small
    assert sum(p.numel() for p in PairWrn().parameters()) > 5_000_000  # the default is the paper's size
