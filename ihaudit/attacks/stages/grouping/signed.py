"""`grouping=signed`: annealed EM on squares and unmasked mixtures together."""

from __future__ import annotations

from typing import Any

import torch

from ihaudit.attacks.numerics.clusters import Statistic
from ihaudit.attacks.numerics.grouping import SPARING, group
from ihaudit.attacks.stages.state import Features, Mixtures, State, Unmasked
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context

#: weights of the two log-likelihoods (chosen on a development seed of the reference benchmark, T = 10 to 50)
SQUARES, MIXTURES = 0.5, 0.7


@stage("grouping", "signed")
def grouping_signed(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Annealed EM per class on squares and unmasked mixtures; numbers of images and global signs are inferred."""
    observed, unmasked = state.observed, state.require(Unmasked)
    squares, mixtures = state.require(Features), state.require(Mixtures)
    mass = torch.from_numpy(observed.slots.mass).to(squares.rows.device)
    found, polarity = group(
        [
            Statistic(squares.rows, squares.weight, mass**2, temper=SQUARES),
            Statistic(mixtures.rows, mixtures.weight, mass, signed=unmasked.polarity is None, temper=MIXTURES),
        ],
        observed.slots,
        seed=ctx.seed % 2**31,
        effort=SPARING,
        n_private=observed.n_private,
        progress=ctx.progress,
    )
    if observed.signs is not None or unmasked.polarity is not None:
        polarity = torch.ones_like(polarity)
    return state.grouped(found).having(Unmasked(unmasked.signs, polarity)), found.sizes.facts | {
        "score": float(sum(found.scores)),
        "signs_turned": float((polarity < 0).float().mean()),
    }
