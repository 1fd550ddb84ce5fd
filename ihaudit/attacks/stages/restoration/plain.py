"""`restoration=plain`: images as recovered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ihaudit.attacks.stages.state import State, to_pictures
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("restoration", "plain")
def restoration_plain(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Least-squares images as they are; their global sign is the network's, by a vote of all encodings."""
    assert state.estimate is not None
    return replace(state, images=to_pictures(state.estimate.images[:-1], state.shape, state.image_range)), {}
