"""`recovery=least-squares`: all images jointly, for releases without a sign mask."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("recovery", "least-squares")
def recovery_least_squares(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """All images jointly from the coefficients, by ordinary least squares."""
    rows, values, mixing = state.decided_part()
    estimate = weighted(values, mixing)
    return state.recovered(rows, estimate), {"residual_rms": estimate.residual_rms}
