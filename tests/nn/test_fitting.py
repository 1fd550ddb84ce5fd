"""The fitting loop: resumable to the bit, early stop, the adversarial option; what is trained on and what is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ihaudit.errors import UsageError
from ihaudit.nn.fitting import TrainConfig, rate_at, train
from ihaudit.nn.mixtures import MixtureConfig, Mixtures
from ihaudit.nn.sources import load_split
from ihaudit.nn.tasks.unmask import UnmaskTask
from ihaudit.nn.unmask import UnmaskConfig
from tests.data import DATA
from tests.nn.samples import SMALL, pool

CONFIG = TrainConfig(steps=6, batch=4, every=3, validation=64, bf16=False, rate=1e-2)


def sampler(seed: int = 0) -> Mixtures:
    return Mixtures(pool(12, seed), pool(12, seed + 1), MixtureConfig())


def task(shape: UnmaskConfig = SMALL, gan: float = 0.0) -> UnmaskTask:
    return UnmaskTask(sampler(), sampler(3), shape, gan=gan)


def test_resumed_training_equals_unbroken_training(tmp_path: Path) -> None:
    whole, record = train(task(), CONFIG, None, lambda _: None)

    def stop(line: str) -> None:
        if line.startswith("step 3/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(task(), CONFIG, tmp_path / "c.pt", stop)
    lines: list[str] = []
    again, resumed = train(task(), CONFIG, tmp_path / "c.pt", lines.append)
    assert lines[0] == "going on from step 3 of 6"
    for (name, a), b in zip(whole.state_dict().items(), again.state_dict().values()):
        assert torch.equal(a, b), name
    assert [h["loss"] for h in record["history"]] == [h["loss"] for h in resumed["history"]]


def test_training_lowers_the_loss_and_the_adversarial_option_runs() -> None:
    config = replace(CONFIG, steps=30, every=30, batch=8)
    plain = train(task(), config, None, lambda _: None)[1]["history"][-1]
    start = train(task(), replace(config, steps=1, every=1, batch=8), None, lambda _: None)[1]["history"][-1]
    assert plain["loss"] < 0.9 * start["loss"]
    gan = train(task(gan=0.1), replace(config, steps=3), None, lambda _: None)[1]["history"][-1]
    assert np.isfinite(gan["loss"])


def test_early_stop() -> None:
    lines: list[str] = []
    config = replace(CONFIG, steps=50, every=1, rate=0.0 + 1e-12, patience=2)
    record = train(task(), config, None, lines.append)[1]
    assert record["steps"] < 50 and "stopped early" in lines[-1]


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    train(task(), replace(CONFIG, steps=1, every=1), tmp_path / "c.pt", lambda _: None)
    other = task(UnmaskConfig(widths=(8, 8, 8), blocks=1, groups=4))
    with pytest.raises(UsageError, match="another shape"):
        train(other, CONFIG, tmp_path / "c.pt", lambda _: None)


def test_rate_rises_holds_and_falls() -> None:
    config = TrainConfig(steps=100, rate=1.0, warm_up=0.1, cool_down=0.5)
    rates = [rate_at(s, config) for s in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[10:50] == [1.0] * 40
    assert (np.diff(rates[50:]) < 0).all() and 0 < rates[-1] < 0.05


def test_no_image_is_both_trained_on_and_held_out() -> None:
    if not (DATA / "imagenet_patches.npz").exists():
        pytest.skip("needs the real images: set IHAUDIT_DATA to their folder")
    split = load_split(DATA)
    assert len(split.held_patches) >= 10_000 <= len(split.held_cifar)
    with np.load(DATA / "imagenet_patches.npz") as z:
        where = {x.tobytes(): s for x, s in zip(z["images"], z["source_index"])}
    train_photographs = {where[x.tobytes()] for x in split.train_public}
    assert train_photographs.isdisjoint({where[x.tobytes()] for x in split.held_patches})
    assert {x.tobytes() for x in split.train_private}.isdisjoint({x.tobytes() for x in split.held_cifar})
