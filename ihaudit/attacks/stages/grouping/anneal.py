"""`grouping=anneal`: annealed EM on whitened features."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.numerics.group import group_encodings
from ihaudit.attacks.stages.state import Features, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("grouping", "anneal")
def grouping_anneal(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Annealed EM per class; the number of images per class is inferred."""
    observed, features = state.observed, state.require(Features)
    found = group_encodings(
        features.rows,
        features.weight,
        observed.slots,
        seed=ctx.seed % 2**31,
        n_private=observed.n_private,
        linear=observed.mask == "signed",
        progress=ctx.progress,
    )
    return state.grouped(found), found.sizes.facts | {"score": float(sum(found.scores))}
