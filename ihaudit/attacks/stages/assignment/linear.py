"""`assignment=linear`: members by least squares in the linear model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ihaudit.attacks.numerics import leastsq
from ihaudit.attacks.stages.state import Assigned, Grouped, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("assignment", "linear")
def assignment_linear(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Members by least squares in the linear model, slot by slot."""
    observed, assigned, grouped = state.observed, state.require(Assigned), state.require(Grouped)
    device = observed.values.device
    mass = torch.from_numpy(observed.slots.mass).to(device)
    features, weight = leastsq.linear_features(observed.values, mass, observed.shape)
    class_of = np.concatenate([np.full(len(ids), c) for c, ids in enumerate(grouped.of_class)]).astype(np.int64)
    if len(class_of) == 0:
        return state, {"changed": 0.0}
    members = leastsq.reassign(
        features,
        weight,
        torch.from_numpy(observed.slots.label).to(device),
        mass,
        torch.from_numpy(assigned.members).to(device),
        torch.from_numpy(class_of).to(device),
    )
    found = members.cpu().numpy()
    changed = float((found != assigned.members).any(1).mean())
    return state.having(replace(assigned, members=found)), {"changed": changed}
