"""Mixtures of photographs and their negatives: an odd function of what is shown, and it learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ihaudit.nn.fitting import train
from ihaudit.nn.polarity import Polarity
from ihaudit.nn.shipped import load_polarity
from ihaudit.nn.sources import load_split
from ihaudit.training import polarity
from ihaudit.training.polarity import DEFAULTS, PolarityTask, PublicParts, log_odds
from tests.data import DATA
from tests.nn.samples import pool


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 20, 48), (3, 64, 64)])
def test_log_odds_are_odd_and_know_no_unit(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    net, x = Polarity().eval(), torch.randn(4, *shape)
    with torch.no_grad():
        odds = net(x)
        assert odds.shape == (4,) and odds.abs().max() > 0
        torch.testing.assert_close(net(-x), -odds)
        torch.testing.assert_close(net(100 * x), odds, atol=1e-4, rtol=1e-4)
        assert net(torch.zeros(1, *shape)).item() == 0


def test_training_learns_what_only_one_way_up_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dark squares on grounds of any brightness."""
    monkeypatch.setattr(polarity, "HELD_OUT", 100)
    images = pool(60, 0)
    images[:, 8:14, 8:14] //= 4
    task = PolarityTask(PublicParts.of(images[:40]), PublicParts.of(images[40:]), 0)
    config = replace(DEFAULTS, steps=60, every=60, batch=16)
    net, record = train(task, config, None, lambda _: None)
    assert record["history"][-1]["loss"] < task.validate(task.build(), config)["loss"]
    assert task.validate(net, config)["right"] > 0.6


def test_parts_are_drawn_the_right_way_up_whatever_is_beside_them() -> None:
    images = pool(60, 0)
    parts = PublicParts.of(images[:30], images[30:], odds=(0.5, 0.5))
    drawn = parts.draw(np.random.default_rng(1), 50)
    assert drawn.shape == (50, 3, 32, 32) and drawn.dtype == torch.float32 and bool(drawn.isfinite().all())
    alone = replace(parts, error=0.0, unsure=(0.0, 2.0), shade=0.0, grey=0.0, coarse=0.0)
    rngs = [np.random.default_rng(2) for _ in range(2)]
    torch.testing.assert_close(alone.draw(rngs[0], 50), alone.clean(rngs[1], 50))


@pytest.mark.data
def test_shipped_weights_tell_mixtures_that_they_were_not_trained_on_from_their_negatives() -> None:
    split, rng = load_split(DATA), np.random.default_rng(0)
    for images in (split.held_patches, split.held_cifar):
        mixtures = PublicParts.of(images[:2000]).clean(rng, 200, 4)
        assert (log_odds(load_polarity(), mixtures) > 0).float().mean() > 0.8
    # no photographs: neither way up is likelier
    noise = torch.nn.functional.avg_pool2d(
        torch.randn(400, 3, 34, 34, generator=torch.Generator().manual_seed(0)), 3, 1
    )
    assert abs((log_odds(load_polarity(), noise) > 0).float().mean() - 0.5) < 0.1
