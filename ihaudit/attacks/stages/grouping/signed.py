"""`grouping=signed`: annealed EM on squares and unmasked mixtures together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ihaudit.attacks.numerics.signed_group import group_signed
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("grouping", "signed")
def grouping_signed(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Annealed EM per class on squares and unmasked mixtures; numbers of images and global signs are inferred."""
    assert state.features is not None and state.weight is not None, "grouping=signed needs similarity=unmasked"
    assert state.mixtures is not None and state.mixture_weight is not None
    found, polarity = group_signed(
        (state.features, state.weight),
        (state.mixtures, state.mixture_weight),
        state.slots,
        seed=ctx.seed % 2**31,
        n_private=state.n_private,
        progress=ctx.progress,
    )
    if state.masks_known:
        polarity = torch.ones_like(polarity)
    sizes = found.sizes
    diagnostics = {
        "images": int(sizes.per_class.sum()),
        "per_class": sizes.per_class.tolist(),
        "encodings_per_image": sizes.multiplicity,
        "sizes_from": sizes.source,
        "equal_sizes": sizes.exact,
        "score": float(sum(found.scores)),
        "signs_turned": float((polarity < 0).float().mean()),
    }
    return replace(
        state, grouping=found, members=found.members, polarity=polarity, features=None, weight=None, mixtures=None
    ), diagnostics
