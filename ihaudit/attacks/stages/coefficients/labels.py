"""`coefficients=labels`: lambdas as released in the labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ihaudit.attacks.stages.state import Assigned, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("coefficients", "labels")
def coefficients_labels(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Lambdas as released in the labels; half each where two images share a class (searched later)."""
    slots = state.observed.slots
    return state.having(replace(state.require(Assigned), coefficients=slots.mass.copy())), {
        "shared_labels": float(slots.shared.mean()),
        "informative": slots.informative,
    }
