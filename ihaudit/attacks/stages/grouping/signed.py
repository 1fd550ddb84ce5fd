"""`grouping=signed`: annealed EM on squares and unmasked mixtures together."""

from __future__ import annotations

from typing import Any

import torch

from ihaudit.attacks.numerics.signed_group import group_signed
from ihaudit.attacks.stages.state import Features, Mixtures, State, Unmasked
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("grouping", "signed")
def grouping_signed(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Annealed EM per class on squares and unmasked mixtures; numbers of images and global signs are inferred."""
    observed, unmasked = state.observed, state.require(Unmasked)
    squares, mixtures = state.require(Features), state.require(Mixtures)
    found, polarity = group_signed(
        (squares.rows, squares.weight),
        (mixtures.rows, mixtures.weight),
        observed.slots,
        seed=ctx.seed % 2**31,
        n_private=observed.n_private,
        progress=ctx.progress,
    )
    if observed.signs is not None:
        polarity = torch.ones_like(polarity)
    return state.grouped(found).having(Unmasked(unmasked.signs, polarity)), found.sizes.facts | {
        "score": float(sum(found.scores)),
        "signs_turned": float((polarity < 0).float().mean()),
    }
