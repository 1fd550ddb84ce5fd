"""Classes that are grouped by other processes come out as they do here."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.clusters import Statistic
from ihaudit.attacks.numerics.features import square_features
from ihaudit.attacks.numerics.grouping import Effort, group
from ihaudit.attacks.recipe import start
from ihaudit.contracts.context import Context
from ihaudit.contracts.engine import Engine, EngineOptions
from ihaudit.engines.local import Local
from ihaudit.engines.parts import cluster, elsewhere, mapped
from ihaudit.errors import IhauditError, UsageError
from tests.attacks.releases import instahide
from tests.attacks.states import view_of
from tests.engines import calls


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Local(EngineOptions(2, tmp_path))


def test_classes_are_grouped_alike_wherever(engine: Engine, one_thread: None) -> None:
    observed = start(view_of(instahide(24, 6, seed=3)), Context(seed=0)).observed
    mass = torch.from_numpy(observed.slots.mass)
    rows, weight = square_features(observed.values.abs(), mass, observed.shape)
    effort = Effort(strong=4, most=10**9, trial=200, many=10**9)  # the weakest join afterwards
    common = {"seed": 5, "effort": effort, "n_private": 24}
    here, sign = group([Statistic(rows, weight, mass**2)], observed.slots, **common)  # type: ignore[arg-type]
    sent = partial(mapped, engine)
    there, sign_there = group([Statistic(rows, weight, mass**2)], observed.slots, elsewhere=sent, **common)  # type: ignore[arg-type]
    assert np.array_equal(here.members, there.members) and here.scores == there.scores
    assert torch.equal(sign, sign_there) and (here.members >= 0).any()


def test_a_part_that_always_dies_ends_the_attack(engine: Engine) -> None:
    with pytest.raises(IhauditError, match="died 3 times on the cluster"):
        mapped(engine, calls.die, [0])
    assert mapped(engine, calls.square, [2, 3]) == [4, 9]


def test_nothing_is_sent_where_nobody_was_named() -> None:
    assert elsewhere(Context(seed=0)) is None
    assert elsewhere(Context(seed=0, device="cuda", scheduler="tcp://127.0.0.1:1")) is None


def test_a_cluster_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'ihaudit\[dask\]'"):
        cluster("tcp://127.0.0.1:9")
