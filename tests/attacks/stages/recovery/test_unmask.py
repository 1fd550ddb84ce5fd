"""Rounds of mask recovery: what the network sees again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.stages.recovery.unmask import recovery_unmask
from ihaudit.attacks.stages.state import Assigned, Recovered, Shown, State, Unmasked
from ihaudit.contracts.context import Context
from tests.attacks.releases import instahide
from tests.attacks.states import true_state

CTX = Context(seed=0)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows that the network saw, call by call."""
    calls: list[int] = []
    see = Unmasker.__call__

    def counted(self: Unmasker, magnitude: Any, *rest: Any, **named: Any) -> Tensor:
        calls.append(len(magnitude))
        return see(self, magnitude, *rest, **named)

    monkeypatch.setattr(Unmasker, "__call__", counted)
    return calls


def once_recovered() -> State:
    sample = instahide(n=8, epochs=10, k=3)
    state = true_state(sample, sample.members)
    e = len(state.observed.values)
    blind = Unmasker(state.observed.shape, state.observed.image_range, "cpu")(state.observed.values)
    return recovery_unmask(state.having(Unmasked(blind, torch.ones(e), known=True)), CTX)[0]


def test_between_rounds_the_network_sees_what_changed(seen: list[int]) -> None:
    first = once_recovered()
    e, shown, assigned = len(first.observed.values), first.require(Shown), first.require(Assigned)
    assert not shown.again and (shown.members == assigned.members).all()
    members, coefficients = assigned.members.copy(), assigned.coefficients.copy()
    members[3] = members[3, ::-1]
    coefficients[5] += 0.1
    coefficients[6] += 0.001
    other = first.having(Assigned(members, coefficients), replace(shown, again=True))
    second, facts = recovery_unmask(other, CTX)
    assert seen == [e, e, 2] and facts["encodings_seen"] == 2
    before, after = first.require(Recovered).signs, second.require(Recovered).signs
    assert before is not None and after is not None
    same = (before == after).all(1)
    assert np.flatnonzero(~same.numpy()).tolist() == [3, 5]
    recovery_unmask(second.having(replace(second.require(Shown), again=False)), CTX)
    assert seen[3:] == [e]


def test_nothing_that_changed_is_nothing_to_see(seen: list[int]) -> None:
    first = once_recovered()
    second, facts = recovery_unmask(first.having(replace(first.require(Shown), again=True)), CTX)
    assert facts["encodings_seen"] == 0 and seen[2:] == [0]
    assert second.require(Recovered).signs is not None
