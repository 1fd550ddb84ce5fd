"""The fusion-denoising network: what its parts do, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ihaudit.nn import weights
from ihaudit.nn.fitting import TrainConfig, train
from ihaudit.nn.fusion import PAPER, Fusion, FusionConfig, reweighted, rule_for
from ihaudit.nn.moved_releases import MoveConfig, MovedReleases
from ihaudit.nn.shipped import load_fusion
from ihaudit.nn.tasks.fusion import FusionTask, SetConfig, draw_sets
from tests.nn.samples import pool

TINY = FusionConfig(relaxed=16, fused=8, before=0, features=16, groups=1, norm_groups=4)
STILL = MoveConfig(eps=((0.1, 1.0),), shifted=0.0, still=1.0, k=(3, 3), sorted=1.0)


def sampler(config: MoveConfig = STILL, seed: int = 0) -> MovedReleases:
    return MovedReleases(pool(40, seed), np.arange(40) // 20, pool(20, seed + 1), config)


def test_fusing_does_not_mind_the_order_and_the_rules_are_what_they_say() -> None:
    torch.manual_seed(0)
    net = Fusion(TINY).eval()
    x, weight, of = torch.rand(7, 3, 32, 32), torch.rand(7), torch.tensor([0, 0, 0, 1, 1, 1, 1])
    relaxed = net.relax(x, weight)
    order = torch.tensor([4, 2, 6, 0, 3, 1, 5])
    for rule in ("mean", "max"):
        found = net.fuse(relaxed, of, 2, rule)
        torch.testing.assert_close(net.fuse(relaxed[order], of[order], 2, rule), found, atol=1e-5, rtol=1e-4)
        whole = net.up(relaxed[:3])
        by_hand = whole.amax(0) if rule == "max" else whole.mean(0)
        torch.testing.assert_close(found[0], net.scale[rule](by_hand[None])[0], atol=1e-5, rtol=1e-4)
    image, quality = net.denoise(net.fuse(relaxed, of, 2, "mean"))
    assert image.shape == (2, 3, 32, 32) and quality.shape == (2,)
    assert rule_for(10) == "max" and rule_for(11) == "mean"


def test_the_least_corrupted_encoding_of_a_set_keeps_its_weight() -> None:
    x = torch.rand(4, 3, 8, 8) * torch.tensor([1.0, 2.0, 3.0, 1.0])[:, None, None, None]
    lam = torch.tensor([0.5, 0.5, 0.5, 0.25])
    found, weight = reweighted(x, lam, torch.tensor([0, 0, 1, 1]), 2)
    variance = (x / lam[:, None, None, None]).flatten(1).var(1)
    torch.testing.assert_close(weight[:2], variance[:2].min() / variance[:2])
    torch.testing.assert_close(weight[2:], variance[2:].min() / variance[2:])
    torch.testing.assert_close(found, x / lam[:, None, None, None] * weight[:, None, None, None])


def test_sets_share_an_image_unless_they_are_void() -> None:
    config = SetConfig(impure=0.0, void=0.0)
    releases = sampler(replace(STILL, k=(2, 2)))
    batch = draw_sets(np.random.default_rng(0), releases, 3, 30, config)
    assert batch.each == 30 and batch.magnitude.shape == (90, 3, 32, 32) and not batch.void.any()
    assert float(batch.truth.min()) >= 0 and float(batch.truth.max()) <= 1
    # the mean square of encodings is the truth's own where it is strong
    for s in range(3):
        mean = batch.magnitude[batch.of == s].mean(0).flatten()
        own, other = ((2 * batch.truth[t] - 1).abs().flatten() for t in (s, (s + 1) % 3))
        assert torch.corrcoef(torch.stack([mean, own]))[0, 1] > torch.corrcoef(torch.stack([mean, other]))[0, 1]
    void = draw_sets(np.random.default_rng(0), releases, 3, 5, SetConfig(void=1.0))
    assert bool(void.void.all())


def test_training_lowers_the_loss_and_void_sets_cost_only_their_quality() -> None:
    task = FusionTask(sampler(), sampler(seed=5), TINY, SetConfig(encodings=(6, 12)))
    config = TrainConfig(steps=30, batch=48, every=15, validation=200, bf16=False, rate=5e-3, average=0.5)
    net, record = train(task, config, None, lambda _: None)
    first, last = record["history"][0], record["history"][-1]
    assert last["loss"] < first["loss"] and -1 < last["ssim_fdn"] < 1
    void = draw_sets(np.random.default_rng(0), sampler(), 3, 5, SetConfig(void=1.0))
    assert float(task.loss(net, void, config).detach()) < 0.05 * 5


@pytest.mark.parametrize("shape", [PAPER, TINY])
def test_weights_come_back_with_their_shape(shape: FusionConfig, tmp_path: Path) -> None:
    weights.save(Fusion(shape), shape.as_dict(), tmp_path / "f.safetensors", {})
    assert load_fusion(tmp_path / "f.safetensors").config == shape
