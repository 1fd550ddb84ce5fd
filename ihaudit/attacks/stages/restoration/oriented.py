"""`restoration=oriented`: images as recovered, whose orientation the public images told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ihaudit.attacks.stages.state import State, to_pictures
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("restoration", "oriented")
def restoration_oriented(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Maps the images to [0, 1] as they are: public images told which way up they are."""
    assert state.estimate is not None
    images = to_pictures(state.estimate.images[:-1], state.shape, state.image_range)
    return replace(state, images=images), {}
