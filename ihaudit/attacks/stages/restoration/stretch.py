"""`restoration=stretch`: averages with their contrast restored."""

from __future__ import annotations

from typing import Any

import torch

from ihaudit.attacks.numerics.pictures import to_arrays
from ihaudit.attacks.stages.state import Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("restoration", "stretch")
def restoration_stretch(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Stretches each image's 1st to 99th percentile over [0, 1]: averages have the right shape but little contrast."""
    rows = state.require(Recovered).estimate.images[:-1]
    low = torch.quantile(rows, 0.01, dim=1, keepdim=True)
    high = torch.quantile(rows, 0.99, dim=1, keepdim=True)
    flat = (high - low) < 1e-6
    unit = torch.where(flat, torch.full_like(rows, 0.5), (rows - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
    return state.restored(to_arrays(unit, state.observed.shape)), {}
