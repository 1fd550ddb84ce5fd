"""`assignment=likelihood`: members by the folded likelihood of squares given the reconstructions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ihaudit.attacks.numerics import em, pairing
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context

#: sets of encodings that are left out in turn when encodings are compared with reconstructions
FOLDS = 4
#: pairs of two classes that are scored jointly; beyond, each slot is placed given the other
MAX_PAIRS = 4000


@stage("assignment", "likelihood")
def assignment_likelihood(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Re-estimates which images each encoding contains, from the current reconstructions."""
    assert state.estimate is not None and state.grouping is not None and state.members is not None
    rows = state.decided()
    index = torch.from_numpy(rows).to(state.values.device)
    mixing = state.mixing(rows)
    values = state.values if len(rows) == len(state.values) else state.values[index]
    noise = state.estimate.noise
    inside = em.Estimate(state.estimate.images, noise[index])
    folds = FOLDS if len(rows) == len(state.values) else 1
    images = em.cross_fit(values, mixing, inside, folds=folds, signs=state.signs)
    whitening = pairing.fit_whitening(values, mixing, images, inside.noise, state.shape)
    sizes = state.grouping.sizes
    largest = max((len(ids) for ids in state.grouping.of_class), default=0)
    if state.slots.count == 2 and largest**2 <= MAX_PAIRS:
        found = pairing.assign_pairs(
            state.values,
            state.slots,
            images,
            noise,
            whitening,
            state.grouping.of_class,
            target=sizes.multiplicity if sizes.exact else None,
        )
    else:
        found = pairing.assign_slotwise(
            state.values, state.slots, state.estimate.images, noise, whitening, state.grouping.of_class, state.members
        )
    before = state.members
    changed = float((before != found.members).any(1).mean())
    return replace(
        state, members=found.members, coefficients=found.coefficients, certainty=found.certainty, signs=None
    ), {"changed": changed, "mean_certainty": float(found.certainty.mean())}
