"""`restoration=none`: images as recovered, turned the right way up."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.numerics.orientation import orient
from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.stages.state import Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("restoration", "none")
def restoration_none(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Orients the images (a set and its negative fit equally well) and maps them to [0, 1]."""
    observed, estimate = state.observed, state.require(Recovered).estimate
    images, flipped = orient(estimate.images, observed.shape, observed.image_range, observed.view.similar)
    return state.restored(to_pictures(images[:-1], observed.shape, observed.image_range)), {"negated": flipped}
