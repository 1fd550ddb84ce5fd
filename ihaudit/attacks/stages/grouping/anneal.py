"""`grouping=anneal`: annealed EM on whitened features."""

from __future__ import annotations

from typing import Any

import torch

from ihaudit.attacks.numerics.clusters import Statistic
from ihaudit.attacks.numerics.grouping import THOROUGH, group
from ihaudit.attacks.stages.state import Features, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("grouping", "anneal")
def grouping_anneal(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Annealed EM per class; the number of images per class is inferred."""
    observed, features = state.observed, state.require(Features)
    mass = torch.from_numpy(observed.slots.mass).to(features.rows.device)
    found, _ = group(
        [Statistic(features.rows, features.weight, mass if observed.mask == "signed" else mass**2)],
        observed.slots,
        seed=ctx.seed % 2**31,
        effort=THOROUGH,
        n_private=observed.n_private,
        progress=ctx.progress,
    )
    return state.grouped(found), found.sizes.facts | {"score": float(sum(found.scores))}
