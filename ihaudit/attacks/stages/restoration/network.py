"""`restoration=network`: the learned image prior, with a confidence for every image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.evidence import COUNTS, SECOND, SHARE, blank, by_encodings, counts
from ihaudit.attacks.numerics.held_out import MOST, believed_held_out
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.numerics.restoring import mean_certainty, restored
from ihaudit.attacks.numerics.scratch import Rows, of_rows
from ihaudit.attacks.numerics.second_image import AVERAGE, SCATTERED, believed, believed_moving, second_image
from ihaudit.attacks.stages.state import Assigned, Grouped, Moving, Recovered, State, Unmasked
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from ihaudit.nn.restorer import Restorer
from ihaudit.nn.shipped import load_confidence, load_polarity, load_restorer


@stage("restoration", "network")
def restoration_network(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """The learned restorer on every image, and what SSIM it is expected to reach."""
    picture, images = restored_state(state, load_restorer(device=str(state.observed.values.device)))
    known = evidence(state)
    features = torch.cat([picture.cpu(), known], 1)
    said = load_confidence(device=ctx.device)(features.to(ctx.device)).cpu()
    trust = trusted(known)
    if state.find(Moving) is not None:  # by motions that may not be all there are
        trust = torch.minimum(trust, believed_moving(_second(state, SCATTERED)))
    confidence = (said * trust).numpy().astype(np.float32)
    pictures = to_pictures(images, state.observed.shape, state.observed.image_range)
    return state.restored(pictures, confidence), {
        "averages": int((known[:, SECOND] > AVERAGE).sum()),
        "mean_confidence": float(confidence.mean()),
        "mean_error": float(picture[:, 1].exp().mean()),
    }


def trusted(known: Tensor) -> Tensor:
    """What is left of confidence in images of this evidence (N, EVIDENCE) that are averages of two, or explain nothing
    of what they were not made from, float32 (N,): a confidence learned from releases of images knows no such case."""
    held = torch.where(torch.isnan(known[:, SHARE]), 1.0, believed_held_out(known[:, SHARE]))
    return believed(known[:, SECOND]) * held


def evidence(state: State) -> Tensor:
    """What the encodings of each image say of it, float32 (N, EVIDENCE), see `ihaudit.nn.confidence`."""
    values, signs, mixing, estimate = _decided(state)
    low, high = state.observed.image_range
    slots, unmasked = state.observed.slots, state.find(Unmasked)
    known = blank(mixing.unknowns)
    known[:, SECOND] = _second(state)
    known[:, -COUNTS:] = counts(
        mixing,
        estimate.noise.float() / max((high - low) / 2, 1e-9) ** 2,
        told=slots.informative and not slots.estimated,
        labels=slots.classes > 1,
    ).cpu()
    if state.find(Moving) is None and len(state.observed.values) <= MOST:
        guesses = None if unmasked is None else unmasked.guesses
        if guesses is not None:
            guesses = of_rows(guesses, torch.from_numpy(state.decided()).to(guesses.device))[:]
        shape = state.observed.shape
        polarity = load_polarity(device=str(values.device)) if shape[0] in (1, 3) else None
        found = by_encodings(values[:], signs[:], mixing, estimate, shape, guesses, polarity)
        known[:, SHARE:-COUNTS] = found.cpu()
    return known


def _second(state: State, rank: int = 1) -> Tensor:
    """float32 (N,), see `second_image`."""
    values, signs, mixing, estimate = _decided(state)
    return second_image(values, signs, mixing, estimate, state.observed.shape, rank=rank).cpu()


def _decided(state: State) -> tuple[Rows, Rows, Mixing, Reconstruction]:
    """Values, signs and noise of the encodings whose members are known, and how they are mixed."""
    recovered = state.require(Recovered)
    rows, values, mixing = state.decided_rows()
    assert recovered.signs is not None
    signs = of_rows(recovered.signs, rows)
    return values, signs, mixing, Reconstruction(recovered.estimate.images, recovered.estimate.noise[rows])


def restored_state(state: State, net: Restorer) -> tuple[Tensor, Tensor]:
    """`restored` of a state that recovery has left: features float32 (N, PICTURE) and images (N, P) in mixing units.

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
