"""`restoration=none`: images as recovered, turned the right way up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ihaudit.attacks.numerics.orientation import orient
from ihaudit.attacks.stages.state import State, to_pictures
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("restoration", "none")
def restoration_none(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Orients the images (a set and its negative fit equally well) and maps them to [0, 1]."""
    assert state.estimate is not None
    images, flipped = orient(state.estimate.images, state.shape, state.image_range, state.similar)
    return replace(state, images=to_pictures(images[:-1], state.shape, state.image_range)), {"negated": flipped}
