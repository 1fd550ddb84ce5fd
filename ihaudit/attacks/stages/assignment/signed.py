"""`assignment=signed`: members by the likelihood of unmasked mixtures given the reconstructions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ihaudit.attacks.numerics.em import cross_fit
from ihaudit.attacks.numerics.members import Assignment, Linear, assign
from ihaudit.attacks.numerics.mixing import DENSE_COLUMNS, Reconstruction
from ihaudit.attacks.numerics.moved_members import Moved, assign_moved
from ihaudit.attacks.numerics.moved_mixing import MovedMixing
from ihaudit.attacks.stages.state import Assigned, Grouped, Moving, Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable

#: sets of encodings that are left out in turn when encodings are compared with reconstructions
FOLDS = 4


@stage("assignment", "signed")
def assignment_signed(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Re-estimates which images each encoding contains, from unmasked mixtures and the current reconstructions."""
    observed, grouped, assigned = state.observed, state.require(Grouped), state.require(Assigned)
    recovered = state.require(Recovered)
    signs, noise = recovered.signs, recovered.estimate.noise
    if signs is None:
        raise NotApplicable("assignment=signed needs expected signs: choose recovery=unmask")
    mixing, moving = state.mixing(), state.find(Moving)
    if isinstance(mixing, MovedMixing) and moving is not None:
        known = Moved(signs, observed.values, noise, recovered.estimate.images, mixing, observed.slots)
        result = assign_moved(known, grouped.of_class, target=grouped.encodings_each)
        return _answer(state.having(replace(moving, moved=result.moved)), assigned, result.found)
    rows = torch.from_numpy(state.decided()).to(noise.device)
    # undecided encodings have no say in the images, but are judged in the same folds as all
    silent = torch.full_like(noise, 1e9)
    silent[rows] = noise[rows]
    # sums over images are as large as the images: few and large blocks where there are many
    batch = 256 if grouped.unknowns < DENSE_COLUMNS else 4096
    voiced = Reconstruction(recovered.estimate.images, silent)
    images = cross_fit(observed.values, mixing, voiced, folds=FOLDS, signs=signs, batch=batch)
    mixtures = Linear(signs, observed.values, noise, images, observed.slots, observed.shape).fit(mixing, rows)
    found = assign(mixtures, grouped.of_class, assigned.members, target=grouped.encodings_each, sweeps=3)
    return _answer(state, assigned, found)


def _answer(state: State, assigned: Assigned, found: Assignment) -> tuple[State, dict[str, Any]]:
    changed = float((assigned.members != found.members).any(1).mean())
    return state.having(Assigned(found.members, found.coefficients, found.certainty)), {
        "changed": changed,
        "mean_certainty": float(np.mean(found.certainty)),
    }
