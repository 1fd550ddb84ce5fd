"""`recovery=gradient`: eq. (3) of Carlini et al. 2021 made to work."""

from __future__ import annotations

from typing import Any

from ihaudit.attacks.numerics.equation3 import Descent, Equation3
from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.stages.state import Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("recovery", "gradient")
def recovery_gradient(state: State, ctx: Context, *, network: bool = True) -> tuple[State, dict[str, Any]]:
    """Eq. (3) made to work: started from least squares on what the recolouring network (4.8.1) makes of every encoding
    by itself, a column for the mean public image, every encoding weighted by its own residual, restarts from each
    pixel's surroundings, kept by likelihood, and deltas chosen by what their surroundings say.  Where the network does
    not apply it starts as `gradient-spectral`."""
    rows, values, mixing = state.decided_part()
    observed, before = state.observed, state.find(Recovered)
    if observed.mask == "signed":
        found = Descent(weighted(values, mixing))
    elif observed.image_range[0] >= 0:
        # mixtures of non-negative images are non-negative: the mask hides nothing, eq. (3) is eq. (1)
        found = Descent(weighted(values.abs(), mixing))
    else:
        problem = Equation3(
            values,
            mixing,
            observed.shape,
            observed.image_range,
            seed=ctx.seed % 2**31,
            device=ctx.device,
            progress=lambda f: ctx.progress("recovery", f),
        )
        if before is None:
            found = problem.solve(network=network)
        else:
            found = problem.descended(Reconstruction(before.estimate.images, before.estimate.noise[rows]))
    diagnostics = {"encodings_used": len(rows), **found.facts, "residual_rms": found.estimate.residual_rms}
    return state.recovered(rows, found.estimate), diagnostics
