"""`reweighting=none`: encodings over their coefficients, all alike."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("reweighting", "none")
def reweighting_none(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Leaves the weights at 1; fusion divides by the coefficients in any case."""
    return state, {}
