"""`recovery=least-squares-eq1`: eq. (1) of Carlini et al. 2021, for releases without masks."""

from __future__ import annotations

from typing import Any

import torch

from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable


@stage("recovery", "least-squares-eq1")
def recovery_eq1(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Eq. (1) to the letter, min_A ||C A - B||^2, for releases without masks.

    `recovery=least-squares` adds a column for the mean public image and weights.
    """
    if state.observed.mask == "masked":
        raise NotApplicable("eq. (1) holds for encodings without a sign mask; use recovery=gradient, which is eq. (3)")
    rows, values, mixing = state.decided_part()
    c = mixing.dense[:, :-1]
    gram = c.T @ c
    # an image that no encoding was assigned to leaves the system singular
    gram += 1e-6 * gram.diagonal().mean().clamp_min(1e-8) * torch.eye(len(gram), device=gram.device)
    private = torch.linalg.solve(gram, c.T @ values)
    images = torch.cat([private, torch.zeros_like(private[:1])])
    estimate = Reconstruction(images, ((values - c @ private) ** 2).mean(1))
    return state.recovered(rows, estimate), {"encodings_used": len(rows), "residual_rms": estimate.residual_rms}
