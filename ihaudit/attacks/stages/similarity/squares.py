"""`similarity=squares`: inner products of whitened squares."""

from __future__ import annotations

from typing import Any

import torch

from ihaudit.attacks.numerics.features import square_features
from ihaudit.attacks.stages.state import Features, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("similarity", "squares")
def similarity_squares(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Whitened squares of all encodings; their inner products are the similarity."""
    observed = state.observed
    mass = torch.from_numpy(observed.slots.mass).to(observed.values.device)
    features = Features(*square_features(observed.values, mass, observed.shape))
    return state.having(features), {"dimensions": int(features.rows.shape[1])}
