"""`similarity=linear`: whitened encodings without a sign mask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ihaudit.attacks.numerics import leastsq
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("similarity", "linear")
def similarity_linear(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Whitened encodings, for releases without a sign mask."""
    mass = torch.from_numpy(state.slots.mass).to(state.values.device)
    features, weight = leastsq.linear_features(state.values, mass, state.shape)
    return replace(state, features=features, weight=weight), {"dimensions": int(features.shape[1])}
