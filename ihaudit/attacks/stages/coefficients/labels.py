"""`coefficients=labels`: lambdas as released in the labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ihaudit.attacks.stages.state import Assigned, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("coefficients", "labels")
def coefficients_labels(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Lambdas as released in the labels; where two images share a class half each (searched later), or as grouping has
    split them."""
    slots, assigned = state.observed.slots, state.require(Assigned)
    split = slots.shared & slots.informative & (assigned.members >= 0).all(1)
    mass = np.where(split[:, None], assigned.coefficients, slots.mass)
    return state.having(replace(assigned, coefficients=mass)), {
        "shared_labels": float(slots.shared.mean()),
        "informative": slots.informative,
    }
