"""`similarity=linear`: whitened encodings without a sign mask."""

from __future__ import annotations

from typing import Any

import torch

from ihaudit.attacks.numerics.features import linear_features
from ihaudit.attacks.stages.state import Features, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("similarity", "linear")
def similarity_linear(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Whitened encodings, for releases without a sign mask."""
    observed = state.observed
    mass = torch.from_numpy(observed.slots.mass).to(observed.values.device)
    features = Features(*linear_features(observed.values, mass, observed.shape))
    return state.having(features), {"dimensions": int(features.rows.shape[1])}
