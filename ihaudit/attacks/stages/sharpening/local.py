"""`sharpening=local`: weights from place to place, recurring public images as unknowns of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.demix import Demixed
from ihaudit.attacks.numerics.local_weights import Refined, refined, too_many
from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.moved_members import Moved, centred, settled
from ihaudit.attacks.numerics.moved_mixing import MovedMixing
from ihaudit.attacks.numerics.pictures import to_arrays, to_rows
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.stages.recovery.unmask import recovery_unmask
from ihaudit.attacks.stages.sharpening.recurring import sharpening_recurring
from ihaudit.attacks.stages.state import Assigned, Moving, Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.release import FloatArray


@stage("sharpening", "local")
def sharpening_local(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """`recurring`, then weights from place to place with recurring public images as unknowns of their own
    (`numerics.local_weights`); the network unmasks all encodings once more with both known, and so again.

    In the profile `quick`, and where masks are known, once only.
    """
    moving = state.find(Moving)
    if moving is not None and not moving.motions.whole:
        state = _settled(state, moving, ctx)
    state, diagnostics = sharpening_recurring(state, ctx)
    observed, recovered = state.observed, state.require(Recovered)
    values = observed.values
    if moving is not None:
        return state, diagnostics  # its unknowns lie in one place in all encodings
    if not observed.slots.weighted or len(state.decided()) < len(values):
        return state, diagnostics
    found = _refined(state, recovered, ctx)
    if found is None:
        return state, diagnostics
    if ctx.profile != "quick" and observed.signs is None:
        unmasker = Unmasker(observed.shape, observed.image_range, ctx.device)
        first = found
        signs = unmasker(values, lambda rows: to_rows(first.predicted(rows), ctx.device).half())
        again = _refined(state, Recovered(_estimate(state, recovered, found), signs), ctx)
        if again is not None:
            recovered, found = replace(recovered, signs=signs), again
    # these variances know nothing of doubtful masks
    confidence = None if observed.signs is None else found.confidence
    recovered = Recovered(_estimate(state, recovered, found), recovered.signs, confidence)
    return state.having(recovered), diagnostics | found.facts


def _settled(state: State, moving: Moving, ctx: Context) -> State:
    """With motions that lie between those of a list, and the images that follow."""
    observed = state.observed
    for _ in range(1 if ctx.profile == "quick" else 2):
        recovered, mixing = state.require(Recovered), state.mixing()
        if recovered.signs is None or not isinstance(mixing, MovedMixing):
            return state
        known = Moved(
            recovered.signs,
            observed.values,
            recovered.estimate.noise,
            recovered.estimate.images,
            mixing,
            observed.slots,
        )
        turn = moving.group.rotation > 0
        fine, middle = centred(settled(known, spacing=moving.spacing, turn=turn), mixing, turn=turn)
        images = recovered.estimate.images.clone()
        images[:-1] = middle.move(images[:-1], torch.arange(len(middle)))
        state = state.having(replace(recovered, estimate=replace(recovered.estimate, images=images)))
        places = torch.arange(len(fine)).view(mixing.members.shape)
        state, _ = recovery_unmask(state.having(replace(moving, motions=fine, moved=places)), ctx)
    return state


def _refined(state: State, recovered: Recovered, ctx: Context) -> Refined | None:
    """Images solved with weights from place to place, or None where that does not apply."""
    assert recovered.signs is not None  # `sharpening=recurring` has asked for them
    observed, assigned, estimate = state.observed, state.require(Assigned), recovered.estimate
    if too_many(len(estimate.images) - 1, observed.values.numel()):
        return None
    images = to_arrays(estimate.images[:-1], observed.shape)
    noise = np.sqrt(estimate.noise.cpu().numpy().astype(np.float64))
    first = Demixed(images, assigned.members, assigned.coefficients, noise, np.zeros(len(images), np.int64))
    labels, span = observed.slots.mass, observed.image_range
    # without a name here, so that it can be given up there
    return refined(first, _unmasked(recovered.signs, state), labels, span, ctx.progress, paired=False)


def _unmasked(signs: Tensor, state: State) -> FloatArray:
    """float32 (E, H, W, C), masks undone."""
    mixtures = signs.float()
    mixtures *= state.observed.values
    return to_arrays(mixtures, state.observed.shape)


def _estimate(state: State, recovered: Recovered, found: Refined) -> Reconstruction:
    """These images, with noise such that standard errors by information are theirs."""
    images, noise = recovered.estimate.images, recovered.estimate.noise
    plain = torch.linalg.inv(state.mixing().normal(1 / noise)).diagonal()[:-1]
    # of most images: one without encodings has no bounds
    ratio = float(np.median(found.variance / plain.clamp_min(1e-12).cpu().numpy()))
    solved = to_rows(found.images, str(images.device))
    return Reconstruction(torch.cat([solved, images[-1:]]), noise * ratio)
