"""`restoration=plain`: images as recovered."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.stages.state import Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("restoration", "plain")
def restoration_plain(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Least-squares images as they are; their global sign is the network's, by a vote of all encodings."""
    observed, estimate = state.observed, state.require(Recovered).estimate
    return state.restored(to_pictures(estimate.images[:-1], observed.shape, observed.image_range)), {}
