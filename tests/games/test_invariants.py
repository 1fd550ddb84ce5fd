"""Games under fresh keys: what keys leave alone is seen, what is deterministic is looked up, a cipher stays quiet."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.contracts.context import Context
from ihaudit.games.adversary import training
from ihaudit.games.adversary.training import trained
from ihaudit.games.instance import InstanceGame
from ihaudit.release import Release
from ihaudit.schemes.etc import EncryptionThenCompression
from ihaudit.schemes.identity import Identity
from ihaudit.schemes.neuracrypt import NeuraCrypt
from ihaudit.schemes.pixel_encryption import PixelEncryption
from ihaudit.schemes.pixel_permutation import PixelPermutation
from ihaudit.schemes.random_projection import RandomProjection
from tests.estimates import measured
from tests.games.inprocess import Custom, own, play, setting


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that keep this cheap."""
    for profile in ("quick", "standard"):
        monkeypatch.setitem(training.BUDGETS, profile, training.Budget(600, 10**5, 5000, 200, 20_000))


def looked_up(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
    """Noise that the image alone decides: nothing resembles anything, but the same image is the same noise."""
    seeds = [int(1e6 * float(x.mean(dtype=np.float64))) for x in images]
    noise = [np.random.default_rng(s).random(x.shape, dtype=np.float32) for s, x in zip(seeds, images, strict=True)]
    return Release(np.stack(noise), provenance=own(len(images)))


def cipher(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
    pad = rng.random(images.shape, dtype=np.float32)
    return Release(np.mod(images + pad, 1), provenance=own(len(images)))


SEEN = {
    "permutation": (PixelPermutation(), 0.95),
    "pixel encryption": (PixelEncryption(), 0.95),
    "etc, a key per image": (EncryptionThenCompression(fresh=True), 0.95),
    "projection": (RandomProjection(), 0.5),
    "tokens": (NeuraCrypt(depth=-1), 0.8),
    "looked up": (Custom(looked_up), 0.95),
}


@pytest.mark.parametrize("name", SEEN)
def test_instance_game_sees_through_fresh_keys(name: str) -> None:
    scheme, least = SEEN[name]
    f = play("instance", setting(scheme))[0]
    assert f.status == "broken" and measured(f.metrics["advantage"]).value >= least
    assert f.details["self_test"]["holds"]


@pytest.mark.parametrize(("game", "least"), [("membership", 0.9), ("pair", 0.9), ("neighbour", 0.7)])
def test_other_games_see_sorted_values(game: str, least: float) -> None:
    f = play(game, setting(PixelPermutation()))[0]
    assert f.status == "broken" and measured(f.metrics["advantage"]).value >= least


def test_what_filters_see_already_costs_nothing_more() -> None:
    s, ctx = setting(Identity()), Context(1)
    assert trained(s, ctx, InstanceGame().make_learner(ctx)).adversary.invariants is None


def test_a_cipher_stays_quiet() -> None:
    s, found = setting(Custom(cipher)), []
    for seed in range(4):
        for game in ("instance", "neighbour", "membership"):
            found += [f for f in play(game, s, seed=seed, options={"audit_seed": seed}) if f.kind == "game"]
    values = [measured(f.metrics["advantage"]) for f in found]
    assert all(f.status == "no break found" and "distinguishable" not in f.reason for f in found)
    assert abs(np.mean([e.value for e in values])) < 0.06
    assert sum(e.low > 0 for e in values) <= 2 and sum(e.high < 0 for e in values) <= 2
