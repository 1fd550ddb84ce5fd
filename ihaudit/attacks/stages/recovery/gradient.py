"""Recovery as Carlini et al. 2021 describe it: eq. (1) without masks, eq. (3) with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ihaudit.attacks.numerics import em, leastsq
from ihaudit.attacks.numerics.gradient import descend, descend_adam, restart, weights_of
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.restarts import pixel_likelihood
from ihaudit.attacks.numerics.spectral import resynchronise, spectral_start
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.stages.recovery.unmask import weighted
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable

#: rounds of resynchronisation and restarts at most
ROUNDS = 3
#: rounds in which encodings' global signs are settled at most
TURNS = 8
#: what a start by the network is called in diagnostics
NETWORK = "recolouring network"


@stage("recovery", "gradient")
def recovery_gradient(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Eq. (3) made to work: started from least squares on what the recolouring network (4.8.1) makes of every encoding
    by itself, a column for the mean public image, every encoding weighted by its own residual, restarts from each
    pixel's surroundings, kept by likelihood, and deltas chosen by what their surroundings say.  Where the network does
    not apply it starts as `gradient-spectral`."""
    return _gradient(state, ctx, network=True)


@stage("recovery", "gradient-spectral")
def recovery_gradient_spectral(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """`recovery=gradient` without a network: spectral start with synchronised signs."""
    return _gradient(state, ctx, network=False)


def _gradient(state: State, ctx: Context, *, network: bool) -> tuple[State, dict[str, Any]]:
    index, values, mixing = _known(state)
    diagnostics: dict[str, Any] = {"encodings_used": len(index)}
    if state.mask == "signed":
        images, noise = leastsq.solve(values, mixing)
    elif state.image_range[0] >= 0:
        # mixtures of non-negative images are non-negative: the mask hides nothing, eq. (3) is eq. (1)
        images, noise = leastsq.solve(values.abs(), mixing)
    else:
        noise = em.noise_start(values, mixing)
        if state.estimate is not None:
            images, noise, more = _descended(
                state, ctx, values, mixing, em.Estimate(state.estimate.images, state.estimate.noise[index])
            )
        else:
            images, noise, more = _from_start(state, ctx, values, mixing, noise, network=network)
        diagnostics |= more
    return _done(state, index, images, noise, diagnostics)


def _from_start(
    state: State, ctx: Context, values: Tensor, mixing: Mixing, noise: Tensor, *, network: bool
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Images, noise and diagnostics from nothing.

    The network was taught by colour images; in grey ones its start can leave regions negated for good, so both starts
    are tried there, and the likelier images kept, at a noise that is the same for both.
    """
    images, words = _start(state, ctx, values, mixing, noise, network=network)
    found = [(*_descended(state, ctx, values, mixing, em.Estimate(images, noise)), words)]
    if state.shape[0] == 1 and words == NETWORK:
        images, words = _start(state, ctx, values, mixing, noise, network=False)
        found.append((*_descended(state, ctx, values, mixing, em.Estimate(images, noise)), words))
    level = torch.full_like(noise, float(sum(n.mean() for _, n, _, _ in found)) / len(found))
    likely = [float(pixel_likelihood(values, mixing, em.Estimate(x, level)).mean()) for x, _, _, _ in found]
    images, noise, diagnostics, words = found[max(range(len(found)), key=lambda i: likely[i])]
    return images, noise, diagnostics | {"start": words}


def _descended(
    state: State, ctx: Context, values: Tensor, mixing: Mixing, start: em.Estimate
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Images, noise and diagnostics after descent and restarts."""
    diagnostics: dict[str, Any] = {}
    images, noise = descend(
        values, mixing, start.images, state.shape, weights=1 / start.noise, surroundings=None, rounds=(15, 10)
    )
    for step in range(ROUNDS):
        images, diagnostics["values_turned"] = resynchronise(images, state.shape)
        images, moved = restart(values, mixing, images, noise, state.shape)
        images, noise = descend(values, mixing, images, state.shape, weights=weights_of(noise), rounds=(8, 8))
        diagnostics["values_restarted"] = moved
        ctx.progress("recovery", (step + 1) / ROUNDS)
        if moved < 0.1:
            break
    return images, noise, diagnostics


def _start(
    state: State, ctx: Context, values: Tensor, mixing: Mixing, noise: Tensor, *, network: bool
) -> tuple[Tensor, str]:
    """Where eq. (3) starts from, float32 (N + 1, P), and what that is in words."""
    why = ""
    if network:
        try:
            unmasker = Unmasker(state.shape, state.image_range, ctx.device)
            return network_start(values, mixing, unmasker, noise), NETWORK
        except NotApplicable as e:
            why = f" ({e})"
    generator = torch.Generator().manual_seed(ctx.seed % 2**31)
    weight = 1 / (noise + 0.3 * noise.mean()) ** 2
    return spectral_start(values, mixing, weight, state.shape, generator=generator), f"spectral{why}"


def network_start(values: Tensor, mixing: Mixing, unmasker: Callable[[Tensor], Tensor], noise: Tensor) -> Tensor:
    """Least squares on encodings unmasked one by one: float32 (N + 1, P).

    The network knows an encoding's masks up to one sign for all; that sign is the one which agrees with what the
    present images predict, in turn with the images, until none changes.

    Args:
        values: float32 (E, P) magnitudes.
        unmasker: magnitudes -> expected signs (E, P) in [-1, 1].
        noise: float32 (E,) variances.
    """
    signs = unmasker(values)
    images = weighted(values, signs, mixing, noise).images
    for _ in range(TURNS):
        agree = torch.empty(len(values), device=values.device)
        for i in range(0, len(values), 512):
            rows = slice(i, min(i + 512, len(values)))
            agree[rows] = (signs[rows].float() * values[rows] * mixing.forward(images, rows)).sum(1)
        wrong = agree < 0
        if not wrong.any():
            break
        signs[wrong] = -signs[wrong]
        images = weighted(values, signs, mixing, noise).images
    return images


@stage("recovery", "gradient-zero")
def recovery_gradient_zero(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Eq. (3) as the published code solves it: from zero, 1,000 steps of Adam, no public column, equal weights."""
    index, values, mixing = _known(state)
    low, high = state.image_range
    private = descend_adam(
        values, mixing.dense[:, :-1].contiguous(), limits=(low, high), report=lambda f: ctx.progress("recovery", f)
    )
    images = torch.cat([private, torch.zeros_like(private[:1])])
    rest = [
        (torch.abs(values[i : i + 256]) - mixing.forward(images, slice(i, i + 256)).abs()).square().mean(1)
        for i in range(0, len(values), 256)
    ]
    negative = float((private < 0).float().mean())
    return _done(state, index, images, torch.cat(rest), {"encodings_used": len(index), "negative_share": negative})


@stage("recovery", "least-squares-eq1")
def recovery_eq1(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Eq. (1) to the letter, min_A ||C A - B||^2, for releases without masks.

    `recovery=least-squares` adds a column for the mean public image and weights.
    """
    if state.mask == "masked":
        raise NotApplicable("eq. (1) holds for encodings without a sign mask; use recovery=gradient, which is eq. (3)")
    index, values, mixing = _known(state)
    c = mixing.dense[:, :-1]
    gram = c.T @ c
    # an image that no encoding was assigned to leaves the system singular
    gram += 1e-6 * gram.diagonal().mean().clamp_min(1e-8) * torch.eye(len(gram), device=gram.device)
    private = torch.linalg.solve(gram, c.T @ values)
    images = torch.cat([private, torch.zeros_like(private[:1])])
    noise = ((values - c @ private) ** 2).mean(1)
    return _done(state, index, images, noise, {"encodings_used": len(index)})


def _known(state: State) -> tuple[Tensor, Tensor, Mixing]:
    """Rows whose members are known, int64 on the device, their values, and their mixing."""
    rows = state.decided()
    if len(rows) == 0:
        raise NotApplicable("no encoding could be assigned to an image, so there is nothing to recover")
    index = torch.from_numpy(rows).to(state.values.device)
    values = state.values if len(rows) == len(state.values) else state.values[index]
    return index, values, state.mixing(rows)


def _done(
    state: State, index: Tensor, images: Tensor, noise: Tensor, diagnostics: dict[str, Any]
) -> tuple[State, dict[str, Any]]:
    full = torch.full((len(state.values),), float(noise.mean()), device=noise.device)
    full[index] = noise
    diagnostics["residual_rms"] = float(noise.mean().sqrt())
    return replace(state, estimate=em.Estimate(images, full), signs=None), diagnostics
