"""`grouping=anneal`: annealed EM on whitened features."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ihaudit.attacks.numerics.group import group_encodings
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("grouping", "anneal")
def grouping_anneal(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Annealed EM per class; the number of images per class is inferred."""
    assert state.features is not None and state.weight is not None
    found = group_encodings(
        state.features,
        state.weight,
        state.slots,
        seed=ctx.seed % 2**31,
        n_private=state.n_private,
        linear=state.mask == "signed",
        progress=ctx.progress,
    )
    sizes = found.sizes
    diagnostics = {
        "images": int(sizes.per_class.sum()),
        "per_class": sizes.per_class.tolist(),
        "encodings_per_image": sizes.multiplicity,
        "sizes_from": sizes.source,
        "equal_sizes": sizes.exact,
        "score": float(sum(found.scores)),
    }
    # the features are as large as the release and not needed again
    return replace(state, grouping=found, members=found.members, features=None, weight=None), diagnostics
