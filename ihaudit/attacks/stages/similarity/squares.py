"""`similarity=squares`: inner products of whitened squares."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ihaudit.attacks.numerics.squares import square_features
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("similarity", "squares")
def similarity_squares(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Whitened squares of all encodings; their inner products are the similarity."""
    mass = torch.from_numpy(state.slots.mass).to(state.values.device)
    features, weight = square_features(state.values, mass, state.shape)
    return replace(state, features=features, weight=weight), {"dimensions": int(features.shape[1])}
