"""Images of which a part may have the wrong sign, shown to the network as magnitudes alone would have them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.scratch import Rows, of_rows
from ihaudit.attacks.numerics.sign_fields import bonds, proposed
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.stages.state import Moving, Recovered, State
from ihaudit.contracts.context import Context

#: encodings and images up to which it is cheap; with more encodings per image hardly any place has the wrong sign
MOST_ENCODINGS, MOST_IMAGES = 3000, 300
#: of a proposal: what its signs must gain, in nats per bond, and the share of visible places that must differ
GAIN, CHANGED = 0.03, 0.02
#: by how much the logarithm of what is left of an image's encodings must fall for a proposal to be kept
BETTER = 0.005
#: times that the network sees a proposal, each followed by the image that its signs make
LOOKS = 2


def second_look(state: State, ctx: Context) -> State:
    """The state with other images where the network, shown these, explains their encodings better.

    Of an image with a part of the wrong sign the network's signs are consistent with that part, so that looking again
    changes nothing.  `numerics.sign_fields` proposes other signs from magnitudes alone.  The network is shown these,
    then the image that follows from its answers, all others as they are: a wrong proposal heals or leaves larger
    residuals.  How many were proposed and kept stands in the record of the stage before.
    """
    observed, recovered = state.observed, state.find(Recovered)
    apt = recovered is not None and recovered.signs is not None and observed.signs is None
    if not apt or state.find(Moving) is not None or len(observed.values) > MOST_ENCODINGS:
        return state
    assert recovered is not None and recovered.signs is not None
    rows, values, mixing = state.decided_rows()
    if mixing.unknowns > MOST_IMAGES:
        return state
    signs = of_rows(recovered.signs, rows)[:].clone()
    estimate = Reconstruction(recovered.estimate.images, recovered.estimate.noise[rows])
    unmasker, kept = Unmasker(observed.shape, observed.image_range, ctx.device), 0
    proposals = _proposals(values, mixing, estimate, state, ctx)
    for image, proposal in proposals:
        seen = torch.nonzero((mixing.members == image).any(1))[:, 0]
        part, shown, noise = mixing.some(seen), of_rows(observed.values, rows[seen]), estimate.noise[seen]
        own = torch.where(part.members == image, part.coefficients, 0.0).sum(1, keepdim=True)
        now, images, answers = estimate.images, estimate.images.clone(), signs[seen].clone()
        images[image] = proposal
        for _ in range(LOOKS):
            unmasker(shown, _predictor(part, images), out=answers)
            left = answers.float() * shown[:].float() - part.forward(images, slice(None)) + own * images[image]
            images[image] = (own / noise[:, None] * left).sum(0) / (own[:, 0].square() / noise).sum()
        change = _left(shown[:], answers, part, images) - _left(shown[:], signs[seen], part, now)
        if float((change * own[:, 0].square()).sum() / own.square().sum()) < -BETTER:
            estimate, kept = Reconstruction(images, estimate.noise), kept + 1
            signs[seen] = answers
    *before, last = state.records
    told = last.diagnostics | {"signs_proposed": len(proposals), "images_with_other_signs": kept}
    state = replace(state, records=(*before, last.model_copy(update={"diagnostics": told})))
    if not kept:
        return state
    everywhere = recovered.signs.clone()
    everywhere[rows] = signs
    return state.recovered(rows, estimate, everywhere)


def _predictor(mixing: Mixing, images: Tensor) -> Callable[[slice], Tensor]:
    """What images (N + 1, P) make of some encodings."""
    return lambda part: mixing.forward(images, part).half()


def _proposals(
    values: Rows, mixing: Mixing, estimate: Reconstruction, state: State, ctx: Context
) -> list[tuple[int, Tensor]]:
    """Images and what is proposed for them, float32 (P,), the most promising first."""
    pairs, found = bonds(state.observed.shape), []
    for image in range(mixing.unknowns):
        ctx.progress("another look at signs", image / mixing.unknowns)
        one = proposed(image, values, mixing, estimate, state.observed.image_range, pairs)
        if one is not None and one.gain > GAIN and one.changed > CHANGED:
            found.append((one.gain, image, one.image))
    return [(image, shown) for _, image, shown in sorted(found, key=lambda one: -one[0])]


def _left(values: Tensor, signs: Tensor, mixing: Mixing, images: Tensor) -> Tensor:
    """float32 (n,): the logarithm of what is left of encodings, expected squares with the network's doubt of signs."""
    y, s = values.float(), signs.float()
    left = (y * s - mixing.forward(images, slice(None))).square() + y.square() * (1 - s.square())
    return left.mean(1).clamp_min(1e-12).log()
