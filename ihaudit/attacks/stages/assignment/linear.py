"""`assignment=linear`: members by least squares in the linear model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ihaudit.attacks.numerics import leastsq
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("assignment", "linear")
def assignment_linear(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Members by least squares in the linear model, slot by slot."""
    assert state.members is not None and state.grouping is not None
    device = state.values.device
    mass = torch.from_numpy(state.slots.mass).to(device)
    features, weight = leastsq.linear_features(state.values, mass, state.shape)
    class_of = np.concatenate([np.full(len(ids), c) for c, ids in enumerate(state.grouping.of_class)]).astype(np.int64)
    if len(class_of) == 0:
        return state, {"changed": 0.0}
    members = leastsq.reassign(
        features,
        weight,
        torch.from_numpy(state.slots.label).to(device),
        mass,
        torch.from_numpy(state.members).to(device),
        torch.from_numpy(class_of).to(device),
    )
    found = members.cpu().numpy()
    return replace(state, members=found), {"changed": float((found != state.members).any(1).mean())}
