"""Options that `run` and `challenge` share."""

from __future__ import annotations

from pathlib import Path

import pytest

from ihaudit.audit.options import AuditOptions, RunOptions
from ihaudit.challenge.options import ChallengeOptions
from ihaudit.errors import UsageError


def test_options_of_the_command_become_options_of_attacks() -> None:
    assert AuditOptions(scheme="x").training() == {}
    asked = AuditOptions(scheme="x", train=True, train_steps=9, seed=4)
    assert asked.training() == {"train": True, "train_steps": 9, "audit_seed": 4}
    challenge = ChallengeOptions(encryption=Path("x"), train=True)
    assert challenge.training(kept=True) == {"train": "kept", "train_steps": 800, "audit_seed": 0}


def test_prices_are_numbers_with_a_currency() -> None:
    assert RunOptions(price_per_hour=("cpu=0.05", "gpu=2", "currency=EUR")).prices() == {
        "cpu": 0.05,
        "gpu": 2.0,
        "currency": "EUR",
    }
    for wrong in ("cpu", "cpu=", "cpu=-1", "cpu=nan", "tpu=1", "currency=", "0.05"):
        with pytest.raises(UsageError, match="--price-per-hour"):
            RunOptions(price_per_hour=(wrong,)).prices()
