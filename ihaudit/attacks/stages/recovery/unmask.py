"""`recovery=unmask`: least squares on unmasked encodings, unmasked again with the reconstructions known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.couples import FEW
from ihaudit.attacks.numerics.em import noise_start
from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.moved_mixing import MovedMixing
from ihaudit.attacks.numerics.negated import turn_negated, turned_by_guesses
from ihaudit.attacks.numerics.orientation import ground
from ihaudit.attacks.numerics.scratch import empty, hand_back_pages, of_rows
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.stages.state import Assigned, Recovered, Shown, State, Unmasked
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable

#: values of a release up to which a second set of signs is kept
MOST = 20_000_000
_BATCH = 1024


@stage("recovery", "unmask")
def recovery_unmask(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Least squares on unmasked encodings, the network unmasking them again with the reconstructions known; with
    known masks on the mixtures themselves.

    Where further rounds follow (`Shown`), the network sees again only what is made of other images than before.
    """
    observed, before, unmasked = state.observed, state.find(Recovered), state.require(Unmasked)
    if unmasked.polarity is None:
        raise NotApplicable("recovery=unmask needs the global signs of encodings: choose grouping=signed")
    rows, values, mixing = state.decided_rows()
    fresh, last = _changed(state, rows), None if before is None else before.signs
    # as large as the release: of its rows those that are seen are written again below
    if fresh is None or last is None:
        signs = _turned(unmasked.signs, unmasked.polarity)
    else:
        signs = _turned(last, torch.ones_like(unmasked.polarity))
    own = of_rows(signs, rows)
    guesses = _guesses(state, unmasked)
    if before is None:
        estimate = weighted(values, mixing, noise_start(values, mixing), signs=own)
    else:
        estimate = Reconstruction(before.estimate.images, before.estimate.noise[rows])
    turned = 0
    if observed.signs is not None:
        for part in rows.split(_BATCH):
            signs[part] = unmasked.signs[part]
    else:
        images, turned = turn_negated(values, mixing, estimate)
        if guesses is not None:
            told = of_rows(guesses, rows)
            images, turned = turned_by_guesses(values, told, mixing, estimate.images, images)
        known = ground(observed.shape, observed.image_range, observed.view.similar, values.device)
        if known is not None:
            images[:-1][images[:-1] @ known < 0] *= -1
        estimate = Reconstruction(images, estimate.noise)
        if fresh is None or last is None or turned or known is not None:
            fresh = rows
        else:
            values, mixing = of_rows(observed.values, fresh), state.mixing(fresh.cpu().numpy())
        unmasker = Unmasker(observed.shape, observed.image_range, ctx.device)
        unmasker(values, lambda part: mixing.forward(estimate.images, part).half(), out=signs, at=fresh)
        state, (rows, values, mixing) = _shown(state, fresh), state.decided_rows()
    estimate = weighted(values, mixing, estimate.noise, signs=own, start=estimate.images)
    diagnostics = {
        "encodings_used": len(rows),
        "images_turned": turned,
        "encodings_seen": 0 if fresh is None else len(fresh),
        "residual_rms": estimate.residual_rms,
        "mean_sign_certainty": float(signs[:: max(1, len(signs) // 200)].float().abs().mean()),
    }
    if observed.signs is None and before is not None:
        # what the network saw blind is as large as the release, and after the first assignment nobody groups again
        polarity = torch.ones_like(unmasked.polarity)
        state = state.having(replace(unmasked, signs=signs, polarity=polarity, guesses=guesses))
    return state.recovered(rows, estimate, signs), diagnostics


def _changed(state: State, rows: Tensor) -> Tensor | None:
    """Those of the rows that are made of something else than when the network saw them; None where it sees all."""
    shown = state.find(Shown)
    if shown is None or not shown.again or state.observed.signs is not None:
        return None
    return rows[torch.from_numpy(shown.stale(state.require(Assigned))).to(rows.device)[rows]]


def _shown(state: State, rows: Tensor) -> State:
    """With what these rows are made of noted: the network has seen them."""
    assigned, before, at = state.require(Assigned), state.find(Shown), rows.cpu().numpy()
    if before is None:
        before = Shown(np.full_like(assigned.members, Shown.UNSEEN), np.zeros_like(assigned.coefficients))
    members, coefficients = before.members.copy(), before.coefficients.copy()
    members[at], coefficients[at] = assigned.members[at], assigned.coefficients[at]
    return state.having(replace(before, members=members, coefficients=coefficients))


def _guesses(state: State, unmasked: Unmasked) -> Tensor | None:
    """What the network saw before any image was known, where images have few encodings and stand still."""
    observed, mixing = state.observed, state.mixing()
    few = observed.slots.label.size <= FEW * mixing.unknowns and observed.values.numel() <= MOST
    if not few or observed.signs is not None or unmasked.known or isinstance(mixing, MovedMixing):
        return None
    return unmasked.signs if unmasked.guesses is None else unmasked.guesses


def _turned(signs: Tensor, polarity: Tensor) -> Tensor:
    """Signs (E, P) times the global signs (E,) of their rows."""
    out = empty(tuple(signs.shape), torch.float16, signs.device)
    for i in range(0, len(signs), _BATCH):
        part = slice(i, i + _BATCH)
        out[part] = signs[part] * polarity[part, None].half()
        hand_back_pages()
    return out
