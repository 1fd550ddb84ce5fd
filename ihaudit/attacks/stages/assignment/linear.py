"""`assignment=linear`: members by least squares in the linear model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ihaudit.attacks.numerics.features import linear_features
from ihaudit.attacks.numerics.linear_members import linear_modes
from ihaudit.attacks.stages.state import Assigned, Grouped, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("assignment", "linear")
def assignment_linear(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Members by least squares in the linear model, slot by slot."""
    observed, assigned, grouped = state.observed, state.require(Assigned), state.require(Grouped)
    if grouped.unknowns == 0:
        return state, {"changed": 0.0}
    device = observed.values.device
    mass = torch.from_numpy(observed.slots.mass).to(device)
    features, weight = linear_features(observed.values, mass, observed.shape)
    members = linear_modes(
        features,
        weight,
        torch.from_numpy(observed.slots.label).to(device),
        mass,
        torch.from_numpy(assigned.members).to(device),
        grouped.of_class,
    )
    found = members.cpu().numpy()
    changed = float((found != assigned.members).any(1).mean())
    return state.having(replace(assigned, members=found)), {"changed": changed}
