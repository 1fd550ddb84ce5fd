"""`recovery=mean`: the average of each image's encodings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.stages.state import Assigned, Grouped, Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("recovery", "mean")
def recovery_mean(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Mean of the encodings of each cluster (Carlini et al. 2021, 4.5.1), weighted by their lambdas."""
    values, assigned, n = state.observed.values, state.require(Assigned), state.require(Grouped).unknowns
    device = values.device
    total = torch.zeros(n + 1, values.shape[1], device=device)
    weight = torch.zeros(n + 1, device=device)
    for slot in range(assigned.members.shape[1]):
        rows = np.nonzero(assigned.members[:, slot] >= 0)[0]
        index = torch.from_numpy(rows).to(device)
        target = torch.from_numpy(assigned.members[rows, slot]).to(device)
        lam = torch.from_numpy(assigned.coefficients[rows, slot]).to(device)
        total.index_add_(0, target, values[index] * lam[:, None])
        weight.index_add_(0, target, lam)
    mean = total / weight.clamp_min(1e-9)[:, None]
    noise = torch.full((len(values),), float((values**2).mean()), device=device)
    return state.having(Recovered(Reconstruction(mean, noise))), {"clusters": n}
