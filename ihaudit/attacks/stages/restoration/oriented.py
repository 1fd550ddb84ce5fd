"""`restoration=oriented`: images as recovered, whose orientation the public images told."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.stages.state import Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("restoration", "oriented")
def restoration_oriented(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Maps the images to [0, 1] as they are: public images told which way up they are."""
    observed, estimate = state.observed, state.require(Recovered).estimate
    return state.restored(to_pictures(estimate.images[:-1], observed.shape, observed.image_range)), {}
