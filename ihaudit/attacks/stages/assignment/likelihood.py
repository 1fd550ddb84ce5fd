"""`assignment=likelihood`: members by the folded likelihood of squares given the reconstructions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ihaudit.attacks.numerics import em, pairing
from ihaudit.attacks.stages.state import Assigned, Grouped, Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context

#: sets of encodings that are left out in turn when encodings are compared with reconstructions
FOLDS = 4
#: pairs of two classes that are scored jointly; beyond, each slot is placed given the other
MAX_PAIRS = 4000


@stage("assignment", "likelihood")
def assignment_likelihood(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Re-estimates which images each encoding contains, from the current reconstructions."""
    observed, grouped = state.observed, state.require(Grouped)
    recovered, assigned = state.require(Recovered), state.require(Assigned)
    rows, values, mixing = state.decided_part()
    noise = recovered.estimate.noise
    estimate = em.Estimate(recovered.estimate.images, noise[rows])
    folds = FOLDS if len(rows) == len(observed.values) else 1
    images = em.cross_fit(values, mixing, estimate, folds=folds, signs=recovered.signs)
    whitening = pairing.fit_whitening(values, mixing, images, estimate.noise, observed.shape)
    largest = max((len(ids) for ids in grouped.of_class), default=0)
    if observed.slots.count == 2 and largest**2 <= MAX_PAIRS:
        found = pairing.assign_pairs(
            observed.values,
            observed.slots,
            images,
            noise,
            whitening,
            grouped.of_class,
            target=grouped.encodings_each,
        )
    else:
        found = pairing.assign_slotwise(
            observed.values, observed.slots, estimate.images, noise, whitening, grouped.of_class, assigned.members
        )
    changed = float((assigned.members != found.members).any(1).mean())
    return state.having(Assigned(found.members, found.coefficients, found.certainty), replace(recovered, signs=None)), {
        "changed": changed,
        "mean_certainty": float(found.certainty.mean()),
    }
