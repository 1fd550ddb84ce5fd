"""The mask recovery network, its loss, and the shipped weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ihaudit.errors import UsageError
from ihaudit.nn import weights
from ihaudit.nn.mixtures import MixtureBatch, MixtureConfig, Mixtures
from ihaudit.nn.shipped import load_unmask
from ihaudit.nn.tasks.unmask import Critic, critic_loss, sign_loss, sign_share
from ihaudit.nn.unmask import UnmaskNet
from tests.nn.samples import SMALL, pool


def draw(size: int = 8, seed: int = 1, **config: object) -> MixtureBatch:
    return Mixtures(pool(20), pool(20, 1), MixtureConfig(**config)).draw(np.random.default_rng(seed), size)  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [(16, 16), (32, 40)])
def test_one_logit_per_value(side: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *side)
    assert UnmaskNet(SMALL)(x, torch.zeros_like(x)).shape == x.shape


def test_black_encodings_give_finite_logits() -> None:
    x = torch.zeros(1, 3, 32, 32)
    assert torch.isfinite(UnmaskNet(SMALL)(x, x)).all()


def test_blind_loss_forgives_the_global_sign_and_informed_loss_does_not() -> None:
    batch = draw(64)
    right = 5 * batch.mixture.sign()
    blind = MixtureBatch(batch.mixture, batch.known, torch.ones_like(batch.blind))
    known = MixtureBatch(batch.mixture, batch.known, torch.zeros_like(batch.blind))
    assert sign_loss(-right, blind, tie_break=0).allclose(sign_loss(right, blind, tie_break=0))
    assert sign_loss(right, blind) < sign_loss(-right, blind)  # the tie-break prefers the true one
    assert sign_loss(-right, known) > 4 > 0.1 > sign_loss(right, known)
    assert sign_share(-right, batch).best == 1.0 and sign_share(-right, batch).guessed < 0.01


def test_one_wrong_region_costs_more_than_a_global_flip() -> None:
    batch = draw(16, nothing_known=1.0)
    logits = 5 * batch.mixture.sign()
    logits[..., :16] *= -1
    assert sign_loss(logits, batch, tie_break=0) > 1


def test_critic_learns_to_tell_mixtures_from_wrong_signs() -> None:
    batch, critic = draw(16), Critic(8)
    wrong = torch.where(torch.rand(batch.mixture.shape, generator=torch.Generator().manual_seed(0)) < 0.5, -9.0, 9.0)
    optimiser = torch.optim.Adam(critic.parameters(), 1e-2)
    first = critic_loss(critic, wrong, batch).item()
    for _ in range(20):
        optimiser.zero_grad()
        loss = critic_loss(critic, wrong, batch)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.6 * first


def test_mixtures_sum_to_one_within_bounds_and_never_reveal_the_first_image() -> None:
    sampler = Mixtures(pool(20), pool(20, 1), MixtureConfig(loose=0.0))
    c = sampler.coefficients(np.random.default_rng(0), 2000)
    np.testing.assert_allclose(c.sum(1), 1, atol=1e-5)
    k = (c > 0).sum(1)
    assert set(k) == set(range(2, 9))
    assert (c.max(1) <= 0.65 + 1e-6).all()
    again = draw(8, seed=5), draw(8, seed=5)
    assert torch.equal(again[0].mixture, again[1].mixture) and torch.equal(again[0].known, again[1].known)
    batch = draw(256, nothing_known=0.0, wrong=0.0)
    rest = (batch.mixture - batch.known).abs().mean((1, 2, 3))
    assert (rest > 1e-3).all() and (batch.known.abs().mean((1, 2, 3)) > 0).float().mean() > 0.99
    assert not draw(64, nothing_known=1.0).known.any()


def test_shipped_weights_match_their_card() -> None:
    path = weights.FOLDER / "unmask.safetensors"
    assert "unmask" in weights.names()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert weights.digests()["unmask.safetensors"] == digest and weights.card(path)["sha256"] == digest
    assert path.stat().st_size < 10 << 20
    load_unmask()
    assert {"trained_on", "command", "steps", "held_out", "training"} <= weights.card(path).keys()


def test_saved_weights_come_back(tmp_path: Path) -> None:
    net = UnmaskNet(SMALL)
    weights.save(net, net.config.as_dict(), tmp_path / "u.safetensors", {"steps": 1})
    x = torch.rand(1, 3, 16, 16)
    again = load_unmask(tmp_path / "u.safetensors")
    assert torch.allclose(net(x, -x), again(x, -x), atol=2e-2)


@pytest.mark.parametrize("damage", ["no card", "damaged", "other network"])
def test_bad_weights_are_one_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "u.safetensors"
    weights.save(UnmaskNet(SMALL), SMALL.as_dict(), path, {})
    if damage == "no card":
        path.with_suffix(".json").unlink()
    elif damage == "damaged":
        path.write_bytes(b"\x00" * 40)
    else:
        card = json.loads(path.with_suffix(".json").read_text())
        card["network"]["widths"] = [16, 16, 16]
        path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(UsageError, match=r"u\.safetensors"):
        load_unmask(path)
