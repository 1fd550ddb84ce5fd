"""Pair and membership networks: what they must be invariant to, their data, their training, the command."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ihaudit.cli import train as cli
from ihaudit.errors import UsageError
from ihaudit.nn import pair_data, sources, weights
from ihaudit.nn.membership import MemberConfig
from ihaudit.nn.pair_data import ReleaseConfig, Releases
from ihaudit.nn.pair_weights import load_membership, load_similarity
from ihaudit.nn.similarity import SHAPE, Facts, PairConfig, PairNet
from ihaudit.nn.similarity_wrn import PairWrn, WrnConfig
from ihaudit.nn.training import Job, TrainConfig, train
from ihaudit.training import membership as pair_member_training
from ihaudit.training import similarity as pair_training
from ihaudit.training.membership import MembershipTask, draw_sets, set_logits
from ihaudit.training.similarity import SimilarityTask, WrnTask, auc, balanced_loss, chosen_pairs, pair_logits, upper
from tests.nn.test_recolour import SMALL, pool

TINY = PairConfig(unmask=SMALL, learned=8, groups=4, hidden=16)
CONFIG = TrainConfig(steps=4, batch=24, every=2, validation=256, bf16=False, rate=3e-3, average=0.5)
QUICK = ReleaseConfig(k=(2, 3), per_image=6)


def releases(config: ReleaseConfig = QUICK, seed: int = 0) -> Releases:
    return Releases(pool(40, seed), np.arange(40) // 20, pool(20, seed + 1), config)


def task() -> SimilarityTask:
    return SimilarityTask(releases(), releases(seed=5), TINY)


def facts(n: int) -> Facts:
    g = torch.Generator().manual_seed(3)
    mass = torch.rand(n, generator=g) * 0.5
    return Facts(mass, 1 - 1.5 * mass, torch.rand(n, generator=g) < 0.3)


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_releases_are_what_they_say(seed: int) -> None:
    sampler = releases(ReleaseConfig(k=(2, 6), per_image=4))
    batch = sampler.draw(np.random.default_rng(seed), 32)
    again = sampler.draw(np.random.default_rng(seed), 32)
    assert torch.equal(batch.magnitude, again.magnitude) and torch.equal(batch.images, again.images)
    assert batch.magnitude.shape == (32, *SHAPE) and (batch.magnitude >= 0).all()
    a = batch.images.numpy()
    direct = [[bool(set(x[x >= 0]) & set(y[y >= 0])) for y in a] for x in a]
    assert batch.shares().numpy().tolist() == direct
    assert ((batch.images[:, 1] >= 0) == batch.facts.shared).all()
    assert (batch.facts.mass > 0).all() and (batch.facts.share > -1e-5).all() and (batch.facts.mass <= 1).all()


def test_coefficients_obey_their_bounds() -> None:
    c = pair_data._coefficients(np.random.default_rng(0), 500, 6, 2, 0.65)
    np.testing.assert_allclose(c.sum(1), 1, atol=1e-5)
    assert c.max() <= 0.65 and c[:, :2].sum(1).min() >= 0.3


def test_shifts_move_by_at_most_four_pixels_and_fill_with_black() -> None:
    x = np.full((50, 3, 32, 32), 255, np.uint8)
    y = pair_data._shifted(np.random.default_rng(0), x)
    share = (y > 0).mean((1, 2, 3))
    assert share.min() >= (28 / 32) ** 2 and share.max() <= 1 and len(np.unique(share)) > 3


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
    raw = net._raw(x)
    for i, values in enumerate(raw):
        z = (values - net.centre[i]) * net.gain[i].exp()[:, None, None]
        assert float(z.mean(0).abs().max().detach()) < 1e-2
        assert float(z.square().mean((0, 2, 3)).sub(1).abs().max().detach()) < 5e-2


def test_even_odds_before_training_and_balanced_loss() -> None:
    batch = releases().draw(np.random.default_rng(0), 24)
    logits, truth = upper(pair_logits(PairNet(TINY), batch, CONFIG), batch)
    assert float(balanced_loss(logits, truth).detach()) == pytest.approx(np.log(2), abs=1e-3)
    good = torch.where(truth, 5.0, -5.0)
    assert balanced_loss(good, truth) < 0.01 < 4 < balanced_loss(-good, truth)
    i, j, which = chosen_pairs(batch, 10)
    assert int((~which).sum()) == 10 and (i < j).all()
    assert int(which.sum()) == int(batch.shares().triu(1).sum())


def test_auc_equals_its_definition() -> None:
    rng = np.random.default_rng(0)
    s, t = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.4
    wins = [(a > b) + 0.5 * (a == b) for a in s[t] for b in s[~t]]
    assert auc(s, t) == pytest.approx(np.mean(wins))


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
    small = WrnConfig(blocks=1, widen=1, base=4)
    t = WrnTask(releases(), releases(seed=5), small)
    t._held = [releases().draw(np.random.default_rng(0), 12)]
    net, _ = train(t, TrainConfig(steps=1, batch=12, every=1, bf16=False), None, lambda _: None)
    assert isinstance(net, PairWrn)
    x, f = torch.rand(4, *SHAPE), facts(4)
    whole = net.compare(net.embed(x), net.embed(x), f, f, batch=5)
    torch.testing.assert_close(whole[1, 2], net.pairs(x[1:2], x[2:3])[0], atol=1e-4, rtol=1e-3)
    weights.save(net, t.network, tmp_path / "w.safetensors", {})
    again = load_similarity(tmp_path / "w.safetensors")
    assert isinstance(again, PairWrn) and again.config == small
    assert sum(p.numel() for p in PairWrn().parameters()) > 5_000_000  # the default is the paper's size


def membership() -> MembershipTask:
    torch.manual_seed(0)
    encoder = task().build()
    assert isinstance(encoder, PairNet)
    sizes = MemberConfig(products=encoder.head.first.in_features, hidden=16, pooled=8)
    return MembershipTask(releases(), releases(seed=5), encoder.eval(), sizes)


def test_sets_hold_four_of_one_image_and_are_not_asked_about_themselves() -> None:
    batch = draw_sets(releases(), np.random.default_rng(0), 48, wrong=0.0)
    assert len(batch.exemplars) > 3
    for s, four in enumerate(batch.exemplars):
        assert len(set(four.tolist())) == 4
        assert batch.belongs[four, s].all() and not batch.asked[four, s].any()
    assert int((~batch.asked).sum()) == 4 * len(batch.exemplars)
    wrong = draw_sets(releases(), np.random.default_rng(0), 48, wrong=1.0)
    assert all(int(wrong.belongs[four, s].sum()) == 3 for s, four in enumerate(wrong.exemplars))


def test_membership_begins_as_the_sum_of_pair_log_odds_and_ignores_the_order_of_exemplars() -> None:
    t = membership()
    for layer in (t.encoder.head.direct, t.encoder.head.last):
        torch.nn.init.normal_(layer.weight)
    head = t.build()
    batch = draw_sets(t.held_out, np.random.default_rng(1), 32)
    z = t.embed(batch, CONFIG)
    f = batch.release.facts
    with torch.no_grad():
        found, _ = set_logits(head, z, batch)
        pairs = t.encoder.compare(z, z, f, f)[:, batch.exemplars].sum(2)[batch.asked]
        torch.testing.assert_close(found, pairs, atol=1e-3, rtol=1e-3)
        torch.nn.init.normal_(head.last.weight)
        first, _ = set_logits(head, z, batch)
        turned = pair_member_training.SetBatch(batch.release, batch.exemplars.flip(1), batch.belongs, batch.asked)
        torch.testing.assert_close(first, set_logits(head, z, turned)[0], atol=1e-3, rtol=1e-3)


def test_membership_resumes_to_the_bit(tmp_path: Path) -> None:
    config = TrainConfig(steps=2, batch=32, every=1, validation=256, bf16=False, rate=1e-3)
    whole, _ = train(membership(), config, None, lambda _: None)

    def stop(line: str) -> None:
        if line.startswith("step 1/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(membership(), config, tmp_path / "c.pt", stop)
    again, _ = train(membership(), config, tmp_path / "c.pt", lambda _: None)
    for (name, a), b in zip(whole.state_dict().items(), again.state_dict().values()):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("name", ["similarity", "membership"])
def test_shipped_weights_load_fast_and_match_their_card(name: str) -> None:
    path = weights.FOLDER / f"{name}.safetensors"
    card = weights.card(path)
    assert {"trained_on", "command", "steps", "held_out", "training"} <= card.keys()
    assert weights.digests()[path.name] == card["sha256"] and path.stat().st_size < 5 << 20
    load = load_similarity if name == "similarity" else load_membership
    load()
    began = time.process_time()
    load()
    assert time.process_time() - began < 1
    if name == "membership":
        assert load_membership()[1] == weights.digests()["similarity.safetensors"]


def test_the_commands_train_measure_and_write_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for name, n in (("cifar10_train20k", 60), ("cifar100_train5k", 20)):
        images = rng.integers(0, 256, (n, 32, 32, 3), np.uint8)
        np.savez(tmp_path / f"{name}.npz", images=images, labels=(np.arange(n) % 2).astype(np.uint8))
    patches = rng.integers(0, 256, (60, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "imagenet_patches.npz", images=patches, source_index=np.arange(60) // 5)
    monkeypatch.setattr(sources, "CIFAR_HELD_OUT", 30)
    monkeypatch.setattr(sources, "PATCHES_HELD_OUT", 20)
    for module in (pair_training, pair_member_training):
        monkeypatch.setattr(module, "CIFAR_HELD_OUT", 30)
        monkeypatch.setattr(module, "_MEASURED", 1)
        monkeypatch.setattr(module, "VALIDATED", 48)
        monkeypatch.setattr(module, "DEFAULTS", replace(module.DEFAULTS, validation=48))
    app = typer.Typer()
    app.command()(cli.command)
    out = tmp_path / "s.safetensors"
    rest = ["--data", str(tmp_path), "--steps", "1", "--batch", "24", "--every", "1", "--device", "cpu", "--no-bf16"]
    result = CliRunner().invoke(app, ["similarity", "--out", str(out), *rest])
    assert result.exit_code == 0, result.output
    assert set(weights.card(out)["held_out"]) == {"cifar", "photographs", "range"}
    member = tmp_path / "m.safetensors"
    result = CliRunner().invoke(app, ["membership", "--out", str(member), "--encoder", str(out), *rest])
    assert result.exit_code == 0, result.output
    assert weights.card(member)["encoder"] == weights.card(out)["sha256"]


def test_options_of_other_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no option --gan"):
        Job(tmp_path, tmp_path / "x", options={"gan": 0.1}).start(CONFIG, "network")
    with pytest.raises(UsageError, match="no similarity network 'resnet'"):
        pair_training.train_similarity(Job(tmp_path, tmp_path / "x", options={"network": "resnet"}))
