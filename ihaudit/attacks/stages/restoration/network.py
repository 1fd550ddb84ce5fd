"""`restoration=network`: the learned image prior, with a confidence for every image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.held_out import MOST, believed_held_out, held_out_share
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.numerics.restoring import mean_certainty, restored
from ihaudit.attacks.numerics.scratch import Rows, of_rows
from ihaudit.attacks.numerics.second_image import AVERAGE, SCATTERED, believed, believed_moving, second_image
from ihaudit.attacks.stages.state import Assigned, Grouped, Moving, Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from ihaudit.nn.restorer import Restorer
from ihaudit.nn.shipped import load_confidence, load_restorer


@stage("restoration", "network")
def restoration_network(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """The learned restorer on every image, and what SSIM it is expected to reach."""
    features, images = restored_state(state, load_restorer(device=str(state.observed.values.device)))
    second = _second(state)
    known = load_confidence(device=ctx.device)(features.to(ctx.device)).cpu()
    trust = believed(second)
    if state.find(Moving) is not None:  # by motions that may not be all there are
        trust = torch.minimum(trust, believed_moving(_second(state, SCATTERED)))
    elif len(state.observed.values) <= MOST:
        trust = trust * believed_held_out(_held_out(state))
    confidence = (known * trust).numpy().astype(np.float32)
    pictures = to_pictures(images, state.observed.shape, state.observed.image_range)
    return state.restored(pictures, confidence), {
        "averages": int((second > AVERAGE).sum()),
        "mean_confidence": float(confidence.mean()),
        "mean_error": float(features[:, 1].exp().mean()),
    }


def _second(state: State, rank: int = 1) -> Tensor:
    """float32 (N,), see `second_image`."""
    values, signs, mixing, estimate = _decided(state)
    return second_image(values, signs, mixing, estimate, state.observed.shape, rank=rank).cpu()


def _held_out(state: State) -> Tensor:
    """float32 (N,), see `held_out_share`."""
    values, signs, mixing, estimate = _decided(state)
    return held_out_share(values[:], signs[:], mixing, estimate, state.observed.shape).cpu()


def _decided(state: State) -> tuple[Rows, Rows, Mixing, Reconstruction]:
    """Values, signs and noise of the encodings whose members are known, and how they are mixed."""
    recovered = state.require(Recovered)
    rows, values, mixing = state.decided_rows()
    assert recovered.signs is not None
    signs = of_rows(recovered.signs, rows)
    return values, signs, mixing, Reconstruction(recovered.estimate.images, recovered.estimate.noise[rows])


def restored_state(state: State, net: Restorer) -> tuple[Tensor, Tensor]:
    """`restored` of a state that recovery has left: features float32 (N, FEATURES) and images (N, P) in mixing units.

    Raises:
        NotApplicable: there are no expected signs, or images are neither grey nor in colour, or too small.
    """
    observed, assigned, recovered = state.observed, state.require(Assigned), state.require(Recovered)
    if recovered.signs is None:
        raise NotApplicable("restoration=network needs expected signs: choose recovery=unmask")
    rows, values, _ = state.decided_rows()
    return restored(
        net,
        values,
        of_rows(recovered.signs, rows),
        state.mixing().some(rows),
        Reconstruction(recovered.estimate.images, recovered.estimate.noise[rows]),
        mean_certainty(assigned.members, assigned.coefficients, assigned.certainty, state.require(Grouped).unknowns),
        observed.shape,
        observed.image_range,
    )
