"""`recovery=gradient-zero`: eq. (3) of Carlini et al. 2021 as the published code solves it."""

from __future__ import annotations

from typing import Any

import torch

from ihaudit.attacks.numerics.gradient import descend_adam
from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("recovery", "gradient-zero")
def recovery_gradient_zero(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Eq. (3) as the published code solves it: from zero, 1,000 steps of Adam, no public column, equal weights."""
    rows, values, mixing = state.decided_part()
    low, high = state.observed.image_range
    private = descend_adam(
        values, mixing.dense[:, :-1].contiguous(), limits=(low, high), report=lambda f: ctx.progress("recovery", f)
    )
    images = torch.cat([private, torch.zeros_like(private[:1])])
    rest = [
        (torch.abs(values[i : i + 256]) - mixing.forward(images, slice(i, i + 256)).abs()).square().mean(1)
        for i in range(0, len(values), 256)
    ]
    negative = float((private < 0).float().mean())
    estimate = Reconstruction(images, torch.cat(rest))
    return state.recovered(rows, estimate), {
        "encodings_used": len(rows),
        "negative_share": negative,
        "residual_rms": estimate.residual_rms,
    }
