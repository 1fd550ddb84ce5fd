"""`assignment=likelihood`: members by the folded likelihood of squares given the reconstructions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ihaudit.attacks.numerics import em
from ihaudit.attacks.numerics.members import Squares, assign
from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.stages.state import Assigned, Grouped, Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context

#: sets of encodings that are left out in turn when encodings are compared with reconstructions
FOLDS = 4


@stage("assignment", "likelihood")
def assignment_likelihood(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Re-estimates which images each encoding contains, from the current reconstructions."""
    observed, grouped = state.observed, state.require(Grouped)
    recovered, assigned = state.require(Recovered), state.require(Assigned)
    rows, values, mixing = state.decided_part()
    noise = recovered.estimate.noise
    estimate = Reconstruction(recovered.estimate.images, noise[rows])
    folds = FOLDS if len(rows) == len(observed.values) else 1
    images = em.cross_fit(values, mixing, estimate, folds=folds, signs=recovered.signs)
    squares = Squares(observed.values, noise, images, observed.slots, observed.shape, known=state.decided()).fit(mixing)
    found = assign(squares, grouped.of_class, assigned.members, target=grouped.encodings_each)
    changed = float((assigned.members != found.members).any(1).mean())
    return state.having(Assigned(found.members, found.coefficients, found.certainty), replace(recovered, signs=None)), {
        "changed": changed,
        "mean_certainty": float(found.certainty.mean()),
    }
