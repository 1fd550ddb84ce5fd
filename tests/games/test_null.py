"""Null schemes: a false alarm in at most 8 audits of 100, and intervals that do contain 0."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.games.adversary import training
from ihaudit.schemes.constant import Constant
from ihaudit.schemes.noise import Noise
from tests.estimates import measured
from tests.games.inprocess import play, setting

SEEDS = 100


@pytest.mark.parametrize("scheme", [Noise(), Constant()], ids=["noise", "constant"])
def test_a_hundred_audits_of_the_instance_game(scheme: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every audit trains, selects and estimates anew, at sizes that keep this cheap."""
    monkeypatch.setitem(training.BUDGETS, "quick", training.Budget(200, 10**6, 100, 200, 10**6))
    s = setting(scheme)
    alarms = broken = below = covered = 0
    for seed in range(SEEDS):
        (f, use) = play("instance", s, seed=seed, options={"audit_seed": seed})
        e = measured(f.metrics["advantage"])
        alarms += e.low > 0
        below += e.high < 0
        covered += e.low <= 0 <= e.high
        broken += f.status == "broken"
        assert f.metrics["advantage"].n == 200
        assert use.kind == "utility"
    assert alarms <= 8 and broken <= 8
    assert below <= 8  # a flipped rule would show here
    assert 88 <= covered <= 100


def test_other_games_stay_quiet_on_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the other games over a few seeds; the margin keeps all of them together below the allowance."""
    monkeypatch.setitem(training.BUDGETS, "quick", training.Budget(200, 10**6, 100, 200, 10**6))
    monkeypatch.setitem(training.BUDGETS, "standard", training.Budget(200, 10**6, 100, 200, 10**6))
    s = setting(Noise())
    values: dict[str, list[float]] = {}
    broken = total = 0
    for seed in range(5):
        for name in ("neighbour", "one-run", "side-channel", "pair", "membership", "marginals", "concept"):
            for f in play(name, s, seed=seed, options={"audit_seed": seed}):
                if f.kind in ("game", "marginal"):
                    broken += f.status == "broken"
                    total += 1
                    if f.metrics["advantage"].value is not None:
                        values.setdefault(f.id, []).append(f.metrics["advantage"].value)
    assert total >= 40 and broken <= 2
    for name, v in values.items():
        assert abs(np.mean(v)) < 0.13, (name, v)  # five audits: a biased game would drift


def test_a_constant_is_private_and_useless_in_so_many_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(training.BUDGETS, "quick", training.Budget(200, 10**6, 100, 200, 10**6))
    _, use = play("instance", setting(Constant()), seed=3)
    assert "as it would be with a constant" in use.sentence and use.details["useless"] is True
