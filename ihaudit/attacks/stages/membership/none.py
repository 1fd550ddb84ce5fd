"""`membership=none`: no second similarity."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.stages.state import Scores, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("membership", "none")
def membership_none(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """No second similarity: the assignment compares encodings with the sets' means."""
    return state.without(Scores), {}
