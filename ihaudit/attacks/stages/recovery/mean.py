"""`recovery=mean`: the average of each image's encodings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ihaudit.attacks.numerics.em import Estimate
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("recovery", "mean")
def recovery_mean(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Mean of the encodings of each cluster (Carlini et al. 2021, 4.5.1), weighted by their lambdas."""
    assert state.members is not None and state.coefficients is not None
    device = state.values.device
    n = state.unknowns
    total = torch.zeros(n + 1, state.values.shape[1], device=device)
    weight = torch.zeros(n + 1, device=device)
    for slot in range(state.members.shape[1]):
        rows = np.nonzero(state.members[:, slot] >= 0)[0]
        index = torch.from_numpy(rows).to(device)
        target = torch.from_numpy(state.members[rows, slot]).to(device)
        lam = torch.from_numpy(state.coefficients[rows, slot]).to(device)
        total.index_add_(0, target, state.values[index] * lam[:, None])
        weight.index_add_(0, target, lam)
    mean = total / weight.clamp_min(1e-9)[:, None]
    noise = torch.full((len(state.values),), float((state.values**2).mean()), device=device)
    return replace(state, estimate=Estimate(mean, noise)), {"clusters": n}
