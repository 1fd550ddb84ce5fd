"""`recovery=gradient-spectral`: eq. (3) of Carlini et al. 2021 without a network."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.stages.recovery.gradient import recovery_gradient
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("recovery", "gradient-spectral")
def recovery_gradient_spectral(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """`recovery=gradient` without a network: spectral start with synchronised signs."""
    return recovery_gradient(state, ctx, network=False)
