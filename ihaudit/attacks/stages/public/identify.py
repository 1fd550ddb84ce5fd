"""`public=identify`: with the public set known, find what was mixed in and solve what is then over-determined."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.public_counts import count_public
from ihaudit.attacks.numerics.public_system import PublicSystem
from ihaudit.attacks.numerics.public_values import restart_values
from ihaudit.attacks.stages.state import Assigned, Grouped, Moving, PublicFound, Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable

#: Rounds at most, by profile; every round costs one search over the public set for the encodings not yet explained.
ROUNDS = {"quick": 25, "standard": 25, "full": 40}
#: Rounds end where this share is explained, or the mean log variance of the noise falls by less than this in a round.
ENOUGH, LEAST_GAIN = {"quick": 0.97, "standard": 0.99, "full": 1.0}, 0.01
#: Share of explained encodings from which images that are not exact are begun again, and rounds that they have.
MOST, RETRIED = 0.3, 5
#: Times that encodings which nothing explains are begun afresh, where images move and are paired wrongly more often.
AFRESH = 4
#: Off centre by more than this share of its span, the range of images is one of normalised images; and the rounds in
#: which the levels of public ones are estimated then.
CENTRED, LEVELLED = 0.02, range(1, 8)
#: Steps of EM (masks, then private images) after every search.
EM_STEPS = 2
#: Times that public images found are fitted again in all encodings at the end.
POLISHED = 2


@stage("public", "identify")
def public_identify(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Identifies public images and solves private images, masks and pairing with them; see the module."""
    observed, public = state.observed, check_public_set(state)
    device, signs = observed.values.device, state.require(Recovered).signs
    system = PublicSystem.begin(
        observed.values,
        observed.shape,
        observed.image_range,
        observed.slots,
        state.require(Grouped).of_class,
        state.mixing(),
        state.require(Recovered).estimate,
        public,
        signs,
    )
    first, told = system.copy(), observed.slots.informative
    first.unmasked = first.unmasked[:0].clone()  # as large as the release, and not needed to begin again
    history, facts = _solve(system, ctx, ROUNDS[ctx.profile], told)
    for _ in range(AFRESH):
        if signs is None or system.motions is None or not 0 < int(system.exact().sum()) < len(system.images):
            break
        other = system.copy()
        other.forget(signs)
        again, known = _solve(other, ctx, RETRIED, told)
        if int(other.explained().sum()) <= int(system.explained().sum()):
            break
        system, facts = other, known
        history += again
    retried = 0
    for sign in (-1, 1):
        lost = torch.nonzero(~system.exact())[:, 0]
        if not len(lost) or float(system.explained().float().mean()) < MOST:
            break
        # the encodings of an image that came out as its negative are given to others as these become exact
        other = system.copy()
        other.begin_again(lost, first, sign)
        again, known = _solve(other, ctx, RETRIED, told)
        if int(other.explained().sum()) > int(system.explained().sum()):
            system, facts, retried = other, known, retried + len(lost)
            history += again
    seen = count_public(system.found, system.candidates, system.noise, public)
    negative = turned(state.require(Recovered).estimate.images[:-1].cpu(), system.images) & system.exact()
    mean, moving = system.candidates.mean.flatten(), state.find(Moving)
    images = torch.cat([system.images, mean[None]]).to(device)
    expected = (system.unmasked / system.values.clamp_min(1e-9)).clamp(-1, 1).half().to(device)
    if signs is not None:  # by a network, where public images do not know better
        known_rows = (system.found.index >= 0).any(1, keepdim=True).to(device)
        expected = torch.where(known_rows, expected, signs.to(expected.dtype))
    levels = system.candidates.low.flatten().numpy(), system.candidates.high.flatten().numpy()
    out = state.having(
        replace(state.require(Recovered), estimate=Reconstruction(images, system.noise.to(device)), signs=expected),
        replace(state.require(Assigned), members=system.members.numpy(), coefficients=system.coefficients.numpy()),
        PublicFound(
            system.found.index.numpy(),
            system.found.weight.numpy(),
            system.exact().numpy(),
            (system.exact() & system.bound()).numpy(),
            (system.standard_error() / system.span).numpy(),
            levels,
        ),
    )
    if moving is not None and system.motions is not None and system.moved is not None:
        out = out.having(replace(moving, motions=system.motions, moved=system.moved.to(device)))
    return out, {
        "public_images": len(public),
        "public_recognised": int(seen.per_encoding.sum()),
        "public_pictures": seen.distinct,
        "public_per_encoding": float(seen.per_encoding.mean()),
        "encodings_explained": float(system.explained().float().mean()),
        "explained_by_round": [round(h, 4) for h in history],
        "images_begun_again": retried,
        "images_solved": int(system.exact().sum()),
        "images_turned": int(negative.sum()),
        **facts,
        "median_residual": float(system.noise.sqrt().median()) / system.span,
    }


def turned(before: Tensor, after: Tensor) -> Tensor:
    """bool (N,): which images (N, P) are rather the negatives of what they were before."""
    centred = [x - x.mean(1, keepdim=True) for x in (before, after)]
    return (centred[0] * centred[1]).sum(1) < 0


def _solve(system: PublicSystem, ctx: Context, rounds: int, told: bool) -> tuple[list[float], dict[str, float]]:
    """Rounds of search and solution; the share of encodings explained after each, and what the last ones changed.

    Args:
        told: labels tell the coefficients of private images.
    """
    history: list[float] = []
    level = float(system.noise.log().mean())
    changed = moved = 0.0
    low, high = system.image_range
    levelled = abs(low + high) > CENTRED * (high - low)
    for step in range(rounds):
        ctx.progress("public images", max([step / rounds, *history[-1:]]))
        todo = torch.nonzero(~system.explained())[:, 0]
        if len(todo) == 0:
            break
        if step:
            system.expect(todo)
        system.identify(todo)
        if levelled and step in LEVELLED:
            system.fit_levels()
        for _ in range(EM_STEPS):
            system.expect(torch.arange(len(system.noise)))
            system.solve()
            if system.motions is not None:
                system.frame()
        if step >= 1:
            if system.image_range[0] < 0 and system.motions is None:
                moved = restart_values(system)
            changed = system.reassign()
            if not told:
                system.reweigh()
        history.append(float(system.explained().float().mean()))
        before, level = level, float(system.noise.log().mean())
        if step >= 2 and (history[-1] >= ENOUGH[ctx.profile] or before - level < LEAST_GAIN):
            break
    # what is explained is not fitted again above, though images that it was explained with have become better since
    for _ in range(POLISHED):
        system.identify(torch.nonzero(system.explained())[:, 0], search=False)
        for _ in range(EM_STEPS):
            system.expect(torch.arange(len(system.noise)))
            system.solve()
    system.settle()
    return history, {"pairing_changed": changed, "values_restarted": moved}


def check_public_set(state: State) -> NDArray[np.floating[Any]]:
    """The public set, float (M, H, W, C) in [0, 1].

    Raises:
        NotApplicable: there are no public images to look for, or they are of another size than what was mixed.
    """
    public, (c, h, w) = state.observed.view.public_set, state.observed.shape
    if public is None or len(public) < 2:
        raise NotApplicable("there are no public images to look for")
    if public.shape[1:] != (h, w, c):
        size, other = (" x ".join(map(str, s)) for s in (public.shape[1:], (h, w, c)))
        raise NotApplicable(f"public images of {size} were not mixed into encodings of {other}")
    return public
