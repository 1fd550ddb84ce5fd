"""`sharpening=none`."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("sharpening", "none")
def sharpening_none(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Leaves the images as they are."""
    return state, {}
