"""The stages of the attack `unmix`, registered by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.em import Estimate, cross_fit, noise_start, summed
from ihaudit.attacks.numerics.mixing import DENSE_COLUMNS, Mixing
from ihaudit.attacks.numerics.signed_group import group_signed
from ihaudit.attacks.numerics.signed_pairing import assign_signed, fit_linear_whitening
from ihaudit.attacks.numerics.squares import dct, low_frequencies, regress_out, square_features
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.stages.state import State, to_pictures
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable

#: sets of encodings that are left out in turn when encodings are compared with reconstructions
FOLDS = 4
#: rounds in which weights of encodings are re-estimated from their residuals, masks held
REWEIGHT = 3
#: encodings from which the whitening of the assignment is estimated
MOMENTS = 20_000
#: weight of an encoding's own residual in the logarithm of its variance, for many encodings per image, and the number
#: of encodings per image at which it is half that (chosen on development seed 2, T = 10 and 50)
RESIDUAL_TRUST, RESIDUAL_HALF = 0.5, 40.0
#: excess of votes, of all votes, that turns an image
MAJORITY = 0.2
_BATCH = 512


@stage("similarity", "unmasked")
def similarity_unmasked(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Whitened squares, and whitened mixtures as the mask recovery network unmasks them, or as they are known."""
    if state.masks_known:
        assert state.signs is not None
        signs = state.signs
    elif state.mask == "signed":
        raise NotApplicable("the encodings carry no sign mask: attack least-squares needs no mask recovery")
    else:
        signs = Unmasker(state.shape, state.image_range, ctx.device)(state.values)
    mass = torch.from_numpy(state.slots.mass).to(state.values.device)
    keep = low_frequencies(state.shape).to(state.values.device)
    mixtures = torch.empty(len(signs), len(keep), device=signs.device)
    for i in range(0, len(signs), _BATCH):
        rows = slice(i, i + _BATCH)
        mixtures[rows] = dct(signs[rows].float() * state.values[rows], state.shape)[:, keep]
    share = 1 - mass.sum(1)
    mixtures = regress_out(mixtures, torch.stack([torch.ones_like(share), share], 1))
    power = (mixtures**2).mean(0)
    mixtures /= (power + 1e-3 * power.median()).sqrt().clamp_min(1e-12)
    squares, weight = square_features(state.values, mass, state.shape)
    return replace(
        state,
        blind=signs,
        features=squares[:, keep],
        weight=weight,
        mixtures=mixtures,
        mixture_weight=1 / (mixtures**2).mean(1).clamp_min(1e-3),
    ), {"dimensions": len(keep), "mean_sign_certainty": float(signs[:200].float().abs().mean())}


@stage("grouping", "signed")
def grouping_signed(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Annealed EM per class on squares and unmasked mixtures; numbers of images and global signs are inferred."""
    assert state.features is not None and state.weight is not None, "grouping=signed needs similarity=unmasked"
    assert state.mixtures is not None and state.mixture_weight is not None
    found, polarity = group_signed(
        (state.features, state.weight),
        (state.mixtures, state.mixture_weight),
        state.slots,
        seed=ctx.seed % 2**31,
        n_private=state.n_private,
        progress=ctx.progress,
    )
    if state.masks_known:
        polarity = torch.ones_like(polarity)
    sizes = found.sizes
    diagnostics = {
        "images": int(sizes.per_class.sum()),
        "per_class": sizes.per_class.tolist(),
        "encodings_per_image": sizes.multiplicity,
        "sizes_from": sizes.source,
        "equal_sizes": sizes.exact,
        "score": float(sum(found.scores)),
        "signs_turned": float((polarity < 0).float().mean()),
    }
    return replace(
        state, grouping=found, members=found.members, polarity=polarity, features=None, weight=None, mixtures=None
    ), diagnostics


@stage("recovery", "unmask")
def recovery_unmask(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Least squares on unmasked encodings, the network unmasking them again with the reconstructions known; with
    known masks on the mixtures themselves."""
    assert state.blind is not None and state.polarity is not None, "recovery=unmask needs similarity=unmasked"
    rows = state.decided()
    index = torch.from_numpy(rows).to(state.values.device)
    whole = len(rows) == len(state.values)
    values = state.values if whole else state.values[index]
    mixing = state.mixing(rows)
    if state.estimate is None:
        signs = state.blind[index] * state.polarity[index, None].half()
        estimate = weighted(values, signs, mixing, noise_start(values, mixing))
    else:
        estimate = Estimate(state.estimate.images, state.estimate.noise[index])
    turned = 0
    if state.masks_known:
        signs = state.blind[index]
    else:
        images, turned = turn_negated(values, mixing, estimate)
        estimate = Estimate(images, estimate.noise)
        unmasker = Unmasker(state.shape, state.image_range, ctx.device)
        predicted = torch.empty_like(values, dtype=torch.float16)
        for i in range(0, len(values), _BATCH):
            part = slice(i, min(i + _BATCH, len(values)))
            predicted[part] = mixing.forward(estimate.images, part).half()
        signs = unmasker(values, predicted)
    estimate = weighted(values, signs, mixing, estimate.noise)
    noise = torch.full((len(state.values),), float(estimate.noise.mean()), device=values.device)
    noise[index] = estimate.noise
    if not whole:
        full = state.blind * state.polarity[:, None].half()
        full[index] = signs
        signs = full
    diagnostics = {
        "encodings_used": len(rows),
        "images_turned": turned,
        "residual_rms": float(estimate.noise.mean().sqrt()),
        "mean_sign_certainty": float(signs[:: max(1, len(signs) // 200)].float().abs().mean()),
    }
    return replace(state, estimate=Estimate(estimate.images, noise), signs=signs), diagnostics


def turn_negated(values: Tensor, mixing: Mixing, estimate: Estimate) -> tuple[Tensor, int]:
    """Images with those turned that are more likely so, given the others, and their number.

    Where the network guessed the global signs of most strong encodings of an image wrong, the image comes out negated,
    though its encodings' other images do not; where encodings with both guesses met in one cluster, its mean may be
    right and its contrast negated.  Both are local optima of everything that follows.  Magnitudes alone decide, by the
    folded normal likelihood of each image's encodings with and without it turned: signs that were inferred from the
    present image cannot.  Every encoding has one vote, weighted by lambda squared, since the likelihoods of wrongly
    assigned ones are as large as they are meaningless.
    """
    images, turned = estimate.images.clone(), 0
    for _ in range(2):
        own = images[:-1]
        others = torch.stack([-own, 2 * own.mean(1, keepdim=True) - own])

        def gain(rows: slice, images: Tensor = images, others: Tensor = others) -> Tensor:
            told = mixing.forward(images, rows)
            level = estimate.noise[rows, None]
            now = _folded(values[rows], told, level)
            out = torch.zeros(len(others), mixing.unknowns, device=values.device)
            for slot in range(mixing.members.shape[1]):
                ids = mixing.members[rows, slot]
                known = ids.clamp_min(0)
                weight = mixing.coefficients[rows, slot, None] * (ids >= 0)[:, None]
                for k, other in enumerate(others):
                    change = _folded(values[rows], told + weight * (other[known] - images[known]), level) - now
                    out[k].index_add_(0, known, torch.sign(change) * weight[:, 0] ** 2)
            return out

        best, which = summed(gain, len(mixing), _BATCH, values.device).max(0)
        votes = torch.zeros_like(best)
        for slot in range(mixing.members.shape[1]):
            ids = mixing.members[:, slot]
            votes.index_add_(0, ids.clamp_min(0), mixing.coefficients[:, slot] ** 2 * (ids >= 0))
        better = torch.nonzero(best > MAJORITY * votes)[:, 0]
        if not len(better):
            break
        images[better] = others[which[better], better]
        turned += len(better)
    return images, turned


def _folded(y: Tensor, told: Tensor, level: Tensor) -> Tensor:
    """Log-likelihood float32 (n,) of magnitudes given predictions, up to a constant."""
    z = (y * told / level).abs()
    return (z + torch.log1p(torch.exp(-2 * z)) - told**2 / (2 * level)).sum(1)


def weighted(values: Tensor, signs: Tensor, mixing: Mixing, noise: Tensor, *, by_labels: bool = False) -> Estimate:
    """Least squares for all images from expected signed encodings; variances are re-estimated from the residual.

    A residual's energy says more of how textured its public images are than of their weight, and where images have few
    encodings the fit has taken part of it.  The weight that the labels leave to public images says the rest: their
    variance goes with its power 1.7.

    Args:
        values: float32 (E, P) magnitudes; signs: float (E, P) expected signs.
        noise: float32 (E,) variances to begin with.
        by_labels: the coefficients are known from labels, and public images take part.
    """
    images = torch.zeros(0)
    told_by_labels = mixing.share.clamp_min(0.02) ** 1.7
    each = len(mixing) * mixing.members.shape[1] / max(mixing.unknowns, 1)
    trust = RESIDUAL_TRUST * each / (each + RESIDUAL_HALF) if by_labels else 1.0
    for _ in range(REWEIGHT):
        spread = torch.empty_like(noise)

        def right(rows: slice, noise: Tensor = noise) -> Tensor:
            return mixing.adjoint(signs[rows].float() * values[rows], rows, 1 / noise[rows])

        images = torch.linalg.solve(mixing.normal(1 / noise), summed(right, len(mixing), _BATCH, values.device))

        def residual(rows: slice, images: Tensor = images, spread: Tensor = spread) -> Tensor:
            told = mixing.forward(images, rows)
            y = values[rows]
            spread[rows] = (y**2 - 2 * signs[rows].float() * y * told + told**2).mean(1)
            return told[:0].sum()

        summed(residual, len(mixing), _BATCH, values.device)
        # a perfectly explained encoding must not take all the weight
        noise = spread.clamp_min(max(1e-8, 0.05 * float(spread.median())))
        if trust < 1:
            level = told_by_labels * (noise / told_by_labels).median()
            noise = noise**trust * level ** (1 - trust)
    return Estimate(images, noise)


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


@stage("restoration", "plain")
def restoration_plain(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Least-squares images as they are; their global sign is the network's, by a vote of all encodings."""
    assert state.estimate is not None
    return replace(state, images=to_pictures(state.estimate.images[:-1], state.shape, state.image_range)), {}
