"""`ihaudit train`: every network's command trains, measures and writes weights with their card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from ihaudit import registry
from ihaudit.cli import train as cli
from ihaudit.contracts.trainer import Job
from ihaudit.errors import UsageError
from ihaudit.nn import recolour as pixels
from ihaudit.nn import shipped, sources, weights
from ihaudit.nn.similarity import PairConfig, PairNet
from ihaudit.nn.tasks import comparator as moved_pairs
from ihaudit.nn.tasks import similarity as pairs
from ihaudit.training import (
    comparator,
    confidence,
    fusion,
    membership,
    polarity,
    recolour,
    restorer,
    scales,
    similarity,
    unmask,
    unmix_deployed,
)
from ihaudit.training import filter as moved_filter
from ihaudit.training._attacked import AttackConfig, Setting
from tests.nn.samples import write_data

pytestmark = pytest.mark.usefixtures("one_thread")

#: what the card of each network measures
HELD_OUT = {
    "comparator": {"eps=0.1", "eps=0.2", "eps=0.5", "shifted"},
    "confidence": {"mean_said", "mean_reached", "off", "off_by_release", "wrong", "wrong_above_0.6"},
    "filter": {"range", "eps=0.5"},
    "fusion": {"M=10, eps=0.1", "M=30, eps=0.1", "M=50, eps=0.1", "M=30, eps=0.3", "M=30, eps=0.5"},
    "membership": {"cifar", "photographs", "range"},
    "polarity": {f"{n}, {k}" for n in ("photographs", "cifar10") for k in (1, 2, 4, 6, "as found")},
    "recolour": {"gradient"},
    "restorer": {"T=10", "T=20", "T=50"},
    "scales": {"mixture", "single"},
    "similarity": {"cifar", "photographs", "range"},
    "unmask": {"cifar", "photographs"},
    "unmix": {"cifar", "photographs"},
    "unmix_deployed": {"cifar", "photographs", "deployed", "deployed_before"},
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of noise to train on, and little to do with it."""
    write_data(tmp_path, 30)
    small: list[tuple[Any, dict[str, Any]]] = [
        (sources, {"CIFAR_HELD_OUT": 30, "PATCHES_HELD_OUT": 30}),
        (unmask, {"MEASURED": 8}),
        (unmix_deployed, {"MEASURED": 8}),
        (pairs, {"VALIDATED": 48}),
        (similarity, {"MEASURED": 1, "DEFAULTS": replace(similarity.DEFAULTS, validation=48)}),
        (membership, {"MEASURED": 1, "DEFAULTS": replace(membership.DEFAULTS, validation=48)}),
        (moved_pairs, {"VALIDATED": 48}),
        (comparator, {"MEASURED": 1, "DEFAULTS": replace(comparator.DEFAULTS, validation=48)}),
        (moved_filter, {"MEASURED": 1, "DEFAULTS": replace(moved_filter.DEFAULTS, validation=48)}),
        (fusion, {"MEASURED": 2, "DEFAULTS": replace(fusion.DEFAULTS, validation=120)}),
        (polarity, {"HELD_OUT": 16}),
        (scales, {"CENTRE": 64, "HELD_OUT": 16}),
        (
            restorer,
            {
                "RELEASES": restorer.SimulationConfig(count=1, images=8, epochs=(4, 5)),
                "ATTACKS": AttackConfig(count=1, few=(8, 8), many=(8, 8), epochs=(10,), told=(10,), k=(4, 4)),
                "VALIDATED": (Setting(10, 4, 8),),
            },
        ),
        (confidence, {"SETTINGS": (Setting(8, 4, 8), Setting(8, 4, 4, moved=True)), "DRAWN": 0, "FEW": ()}),
        (recolour, {"RECOVERIES": ("gradient",), "PRIVATE": 8, "EPOCHS": 10, "MIXED": (3,)}),
        (pixels, {"STARTS": 1}),
    ]
    for module, changes in small:
        for name, value in changes.items():
            monkeypatch.setattr(module, name, value)
    return tmp_path


def run(*arguments: str) -> Result:
    """What the command answers."""
    app = typer.Typer()
    app.command(cls=cli.TrainCommand)(cli.command)
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_there_is_a_trainer_for_every_file_of_weights() -> None:
    assert set(registry.load("trainer")) == set(weights.names()) == set(HELD_OUT)
    shown = " ".join(run("--help").output.split())
    assert all(f"'{name}'" in shown for name in HELD_OUT)


@pytest.mark.parametrize("name", sorted(HELD_OUT))
def test_the_command_trains_measures_and_writes_a_card(name: str, data: Path) -> None:
    out = data / f"{name}.safetensors"
    rest = ["--steps", "1", "--batch", "24", "--every", "1", "--device", "cpu", "--no-bf16"]
    result = run(name, "--data", str(data), "--out", str(out), *rest)
    assert result.exit_code == 0, result.output + repr(result.exception)
    card = weights.card(out)
    assert set(card["held_out"]) >= HELD_OUT[name] and card["training"]["steps"] == 1
    getattr(shipped, f"load_{name}")(out)


def test_the_membership_head_is_trained_on_the_encoder_that_is_named(data: Path) -> None:
    encoder, out, sizes = data / "s.safetensors", data / "m.safetensors", PairConfig(hidden=16)
    weights.save(PairNet(sizes), sizes.as_dict(), encoder, {})
    rest = ["--data", str(data), "--steps", "1", "--batch", "24", "--every", "1", "--device", "cpu", "--no-bf16"]
    result = run("membership", "--out", str(out), "--encoder", str(encoder), *rest)
    assert result.exit_code == 0, result.output
    card = weights.card(out)
    assert card["encoder"] == weights.card(encoder)["sha256"] and card["network"]["hidden"] == 16


def test_networks_and_options_that_do_not_exist_are_refused(data: Path) -> None:
    for arguments, message in (
        (("mask",), "there is no network called 'mask'; did you mean 'unmask'?"),
        (("similarity", "--gan", "0.1"), "this network has no option --gan; it takes network"),
        (("fusion", "--network", "large"), "there is no fusion network 'large'; there are: small, paper"),
        (("similarity", "--network", "resnet"), "there is no similarity network 'resnet'; there are: encoder, wrn"),
    ):
        error = run(*arguments, "--data", str(data)).exception
        assert isinstance(error, UsageError) and message in str(error)


def test_cards_name_no_folder_of_this_machine() -> None:
    job = Job(Path("/x/data"), Path("/y/a.safetensors"))
    given = ["train", "a", "--data", "/x/data", "--out", "/y/a.safetensors", "--steps", "7"]
    assert job.command(given) == "ihaudit train a --data $IHAUDIT_DATA --out a.safetensors --steps 7"
