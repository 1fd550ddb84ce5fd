"""The training-free stages of the `phase` attack, registered by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ihaudit.attacks.numerics import em, pairing
from ihaudit.attacks.numerics.group import group_encodings
from ihaudit.attacks.numerics.orientation import orient
from ihaudit.attacks.numerics.restarts import restart_pixels
from ihaudit.attacks.numerics.spectral import resynchronise, spectral_start
from ihaudit.attacks.numerics.squares import square_features
from ihaudit.attacks.stages.state import State, to_pictures
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context

#: sets of encodings that are left out in turn when encodings are compared with reconstructions
FOLDS = 4
#: pairs of two classes that are scored jointly; beyond, each slot is placed given the other
MAX_PAIRS = 4000


@stage("similarity", "squares")
def similarity_squares(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Whitened squares of all encodings; their inner products are the similarity."""
    mass = torch.from_numpy(state.slots.mass).to(state.values.device)
    features, weight = square_features(state.values, mass, state.shape)
    return replace(state, features=features, weight=weight), {"dimensions": int(features.shape[1])}


@stage("grouping", "anneal")
def grouping_anneal(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Annealed EM per class; the number of images per class is inferred."""
    assert state.features is not None and state.weight is not None
    found = group_encodings(
        state.features,
        state.weight,
        state.slots,
        seed=ctx.seed % 2**31,
        n_private=state.n_private,
        linear=state.mask == "signed",
        progress=ctx.progress,
    )
    sizes = found.sizes
    diagnostics = {
        "images": int(sizes.per_class.sum()),
        "per_class": sizes.per_class.tolist(),
        "encodings_per_image": sizes.multiplicity,
        "sizes_from": sizes.source,
        "equal_sizes": sizes.exact,
        "score": float(sum(found.scores)),
    }
    # the features are as large as the release and not needed again
    return replace(state, grouping=found, members=found.members, features=None, weight=None), diagnostics


@stage("coefficients", "labels")
def coefficients_labels(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Lambdas as released in the labels; half each where two images share a class (searched later)."""
    return replace(state, coefficients=state.slots.mass.copy()), {
        "shared_labels": float(state.slots.shared.mean()),
        "informative": state.slots.informative,
    }


@stage("recovery", "em")
def recovery_em(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Spectral start (first time), annealed EM, then EM with masks inferred from their surroundings."""
    rows = state.decided()
    index = torch.from_numpy(rows).to(state.values.device)
    values = state.values if len(rows) == len(state.values) else state.values[index]
    mixing = state.mixing(rows)
    first = state.estimate is None
    if first:
        noise = em.noise_start(values, mixing)
        if state.image_range[0] >= 0:
            # mixtures of non-negative images are non-negative: the mask hides nothing
            start = torch.full((state.unknowns + 1, values.shape[1]), float(values.mean()), device=values.device)
        else:
            weight = 1 / (noise + 0.3 * noise.mean()) ** 2
            generator = torch.Generator().manual_seed(ctx.seed % 2**31)
            start = spectral_start(values, mixing, weight, state.shape, generator=generator)
        estimate = em.Estimate(start, noise)
        heats = [1 + 2 * max(0.0, 1 - i / 20) for i in range(28)]
        estimate = em.folded_em(values, mixing, estimate, temperatures=heats, reestimate_after=20)
    else:
        assert state.estimate is not None
        estimate = em.Estimate(state.estimate.images, state.estimate.noise[index])
        heats = [1 + max(0.0, 1 - i / 6) for i in range(8)]
        estimate = em.folded_em(values, mixing, estimate, temperatures=heats)
    turned = moved = 0.0
    if state.image_range[0] < 0:
        for _ in range(4 if first else 2):
            images, turned = resynchronise(estimate.images, state.shape)
            estimate, moved = restart_pixels(values, mixing, em.Estimate(images, estimate.noise), state.shape)
            if moved < 0.1:
                break
        estimate = em.folded_em(values, mixing, estimate, temperatures=[1.0] * 2)
    estimate, signs = em.coupled_em(values, mixing, estimate, state.shape, steps=10)
    noise = torch.full((len(state.values),), float(estimate.noise.mean()), device=values.device)
    noise[index] = estimate.noise
    full = em.Estimate(estimate.images, noise)
    diagnostics = {
        "encodings_used": len(rows),
        "values_turned": turned,
        "values_restarted": moved,
        "residual_rms": float(estimate.noise.mean().sqrt()),
        "mean_sign_certainty": float(signs[:: max(1, len(signs) // 200)].abs().mean()),
    }
    return replace(state, estimate=full, signs=signs if len(rows) == len(state.values) else None), diagnostics


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


@stage("restoration", "none")
def restoration_none(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Orients the images (a set and its negative fit equally well) and maps them to [0, 1]."""
    assert state.estimate is not None
    images, flipped = orient(state.estimate.images, state.shape, state.image_range, state.similar)
    return replace(state, images=to_pictures(images[:-1], state.shape, state.image_range)), {"negated": flipped}
