"""The comparative network and the filter: symmetric, blind to signs, and able to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ihaudit.nn import weights
from ihaudit.nn.comparator import PAPER, Comparator, ComparatorConfig
from ihaudit.nn.fitting import TrainConfig, train
from ihaudit.nn.moved_releases import MoveConfig, MovedReleases
from ihaudit.nn.shipped import load_comparator
from ihaudit.nn.similarity import SHAPE, Facts
from ihaudit.nn.tasks.comparator import NEAR, ComparatorTask
from tests.nn.samples import pool

TINY = ComparatorConfig(width=16, blocks=1, groups=4, hidden=16)
EASY = MoveConfig(eps=((0.1, 1.0),), k=(2, 2), sorted=1.0, same_class=0.0)


def sampler(config: MoveConfig = EASY, seed: int = 0) -> MovedReleases:
    return MovedReleases(pool(40, seed), np.arange(40) // 20, pool(20, seed + 1), config)


def facts(n: int) -> Facts:
    mass = torch.rand(n, generator=torch.Generator().manual_seed(3)) * 0.5
    return Facts(mass, 1 - 1.5 * mass, torch.zeros(n, dtype=torch.bool), moved=True)


def test_comparison_is_symmetric_and_parts_give_what_the_whole_gives() -> None:
    torch.manual_seed(0)
    net = Comparator(TINY).eval()
    torch.nn.init.normal_(net.head.direct.weight)
    x, f = torch.rand(6, *SHAPE), facts(6)
    z = net.embed(x)
    assert [v.shape for v in z] == [(16, 6, 64), (16, 6, 64)]
    whole = net.compare(z, z, f, f)
    torch.testing.assert_close(whole, whole.T, atol=1e-5, rtol=1e-4)
    some = net.compare_some(z, f, torch.tensor([0, 3]), torch.tensor([5, 1]))
    torch.testing.assert_close(some, whole[[0, 3], [5, 1]], atol=1e-5, rtol=1e-4)
    for a, b in zip(z, net.embed(3 * x)):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


def test_the_paper_sized_network_has_the_papers_number_of_parameters(tmp_path: Path) -> None:
    net = Comparator(PAPER)
    assert abs(sum(p.numel() for p in net.parameters()) / 1e6 - 1.0) < 0.15
    weights.save(net, PAPER.as_dict(), tmp_path / "c.safetensors", {})
    assert load_comparator(tmp_path / "c.safetensors").config == PAPER


def test_training_learns_pairs_of_strong_images() -> None:
    config = TrainConfig(steps=40, batch=48, every=40, validation=384, bf16=False, rate=5e-3, average=0.5)
    history = train(ComparatorTask(sampler(), sampler(seed=5), TINY), config, None, lambda _: None)[1]["history"]
    assert history[-1]["auc"] > 0.65


def test_the_filter_is_asked_for_pairs_that_are_near() -> None:
    wide = MoveConfig(eps=((0.5, 1.0),), shifted=0.0, still=0.0, same_class=0.0, per_image=12)
    task = ComparatorTask(sampler(wide), sampler(wide), TINY, "near")
    batch = sampler(wide).draw(np.random.default_rng(0), 60)
    i, j, truth = task.pairs(batch, None)
    share = batch.pairs.shares()[i, j]
    apart = batch.moves[i.numpy()].apart(batch.moves[j.numpy()])
    assert torch.equal(truth, share & torch.from_numpy(apart < NEAR))
    assert 0 < int(truth.sum()) < len(truth) and int((share & ~truth).sum()) == int((~share).sum())
