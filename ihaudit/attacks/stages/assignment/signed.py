"""`assignment=signed`: members by the likelihood of unmasked mixtures given the reconstructions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ihaudit.attacks.numerics.em import Estimate, cross_fit
from ihaudit.attacks.numerics.mixing import DENSE_COLUMNS
from ihaudit.attacks.numerics.signed_pairing import assign_signed, fit_linear_whitening
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context

#: sets of encodings that are left out in turn when encodings are compared with reconstructions
FOLDS = 4
#: encodings from which the whitening of the assignment is estimated
MOMENTS = 20_000
_BATCH = 512


@stage("assignment", "signed")
def assignment_signed(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Re-estimates which images each encoding contains, from unmasked mixtures and the current reconstructions."""
    assert state.estimate is not None and state.grouping is not None and state.members is not None
    assert state.signs is not None, "assignment=signed needs recovery=unmask"
    rows = torch.from_numpy(state.decided()).to(state.values.device)
    mixing = state.mixing()
    noise = state.estimate.noise
    # undecided encodings have no say in the images, but are judged in the same folds as all
    silent = torch.full_like(noise, 1e9)
    silent[rows] = noise[rows]
    # sums over images are as large as the images: few and large blocks where there are many
    batch = 256 if state.unknowns < DENSE_COLUMNS else 4096
    inside = Estimate(state.estimate.images, silent)
    images = cross_fit(state.values, mixing, inside, folds=FOLDS, signs=state.signs, batch=batch)
    rows = rows[:: max(1, len(rows) // MOMENTS)]
    seen, told = torch.empty(len(rows), state.values.shape[1]), torch.empty(len(rows), state.values.shape[1])
    seen, told = seen.to(noise.device), told.to(noise.device)
    for i, part in enumerate(rows.split(_BATCH)):
        at = slice(i * _BATCH, i * _BATCH + len(part))
        seen[at] = state.signs[part].float() * state.values[part]
        some = mixing.some(part)
        for f in range(FOLDS):
            own = torch.nonzero(part % FOLDS == f)[:, 0]
            told[i * _BATCH + own] = some.some(own).forward(images[f], slice(None))
    whitening = fit_linear_whitening(seen, told, noise[rows], state.shape)
    del seen, told
    sizes = state.grouping.sizes
    found = assign_signed(
        state.signs,
        state.values,
        state.slots,
        images,
        noise,
        whitening,
        state.grouping.of_class,
        state.members,
        state.shape,
        target=sizes.multiplicity if sizes.exact else None,
    )
    changed = float((state.members != found.members).any(1).mean())
    return replace(state, members=found.members, coefficients=found.coefficients, certainty=found.certainty), {
        "changed": changed,
        "mean_certainty": float(np.mean(found.certainty)),
    }
