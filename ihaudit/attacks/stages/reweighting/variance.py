"""`reweighting=variance`: what is least corrupted counts most (Luo et al., AAAI 2022)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ihaudit.attacks.stages.state import Alike, Assigned, Grouped, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.nn.fusion import variance_weights


@stage("reweighting", "variance")
def reweighting_variance(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """The least variance among the encodings of an image, each over its coefficient, divided by its own."""
    values, alike = state.observed.values, state.require(Alike)
    index = torch.from_numpy(alike.rows).to(values.device)
    coefficients = state.require(Assigned).coefficients[alike.rows, alike.columns].astype(np.float32)
    scaled = values[index].abs() / torch.from_numpy(coefficients).to(values.device).clamp_min(1e-3)[:, None]
    of = torch.from_numpy(alike.of).to(values.device)
    weight = variance_weights(scaled, of, state.require(Grouped).unknowns).cpu().numpy().astype(np.float32)
    return state.having(replace(alike, weight=weight)), {"mean_weight": float(weight.mean())}
