"""`assignment=signed`: members by the likelihood of unmasked mixtures given the reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.couples import KNOWN, Couples, affordable, reassigned_jointly
from ihaudit.attacks.numerics.em import cross_fit
from ihaudit.attacks.numerics.features import linear_features
from ihaudit.attacks.numerics.free_coefficients import FreeLinear, Prior, assign_free, rescaled
from ihaudit.attacks.numerics.free_couples import SOURCE, reassigned_freely, whitened
from ihaudit.attacks.numerics.held_out import MOST, NOTHING, held_out_share
from ihaudit.attacks.numerics.members import Assignment, Linear, assign
from ihaudit.attacks.numerics.mixing import DENSE_COLUMNS, Reconstruction
from ihaudit.attacks.numerics.motions import Motions, nearest
from ihaudit.attacks.numerics.moved_kinds import Kind, surveyed
from ihaudit.attacks.numerics.moved_members import Moved, assign_moved, copies_of
from ihaudit.attacks.numerics.moved_mixing import MovedMixing
from ihaudit.attacks.numerics.scratch import of_rows
from ihaudit.attacks.numerics.sizes import GUESSED, Sizes, fewer_images
from ihaudit.attacks.numerics.transforms import low_frequencies
from ihaudit.attacks.stages.grouping.signed import regrouped
from ihaudit.attacks.stages.state import Assigned, Grouped, Moving, Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable

#: sets of encodings that are left out in turn when encodings are compared with reconstructions
FOLDS = 4
#: assignments before which images that were found in several poses are made one, where their number is a guess
MERGED = 5
#: share of its power that an encoding of one image alone leaves unexplained at most
REST = 0.05
#: in the record of the assignment before which motions were asked for: nats that each kind of them gains
GAINS = "gain_by_motion"
#: encodings that an image is held by at least, and assignments after which it must explain others than its own, where
#: the number of images is a guess (clusters too many end with one to three encodings, or explain nothing)
HELD, SURE = 4, 2
#: share of images that were found before, from which their number is too large
TWICE = 0.1


@stage("assignment", "signed")
def assignment_signed(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Re-estimates which images each encoding contains, from unmasked mixtures and the current reconstructions."""
    observed, grouped, assigned = state.observed, state.require(Grouped), state.require(Assigned)
    recovered = state.require(Recovered)
    signs, noise = recovered.signs, recovered.estimate.noise
    if signs is None:
        raise NotApplicable("assignment=signed needs expected signs: choose recovery=unmask")
    facts: dict[str, Any] = {}
    if to_survey(state):
        state, facts, kind = _surveyed(state, signs)
        if kind is not None and kind.wide is not None:
            state, anew = regrouped(state, ctx, kind)
            return state, facts | anew | {"changed": 1.0}
        observed, recovered = state.observed, state.require(Recovered)
        signs, noise = recovered.signs, recovered.estimate.noise
        assert signs is not None
    mixing, moving = state.mixing(), state.find(Moving)
    if isinstance(mixing, MovedMixing) and moving is not None:
        known = Moved(signs, observed.values, noise, recovered.estimate.images, mixing, observed.slots)
        early = sum(r.name == "assignment" for r in state.records) < MERGED
        if "best grouping" in grouped.sizes.source and early:
            first = copies_of(known, grouped.of_class, spacing=moving.spacing, turn=moving.group.rotation > 0)
            # where the number of images is twice too large, most are found twice; single ones say nothing of it
            if (first != np.arange(len(first))).mean() > TWICE:
                state = _reduced(state, first)
                facts |= {"images_in_several_poses": int((first != np.arange(len(first))).sum())}
                grouped, assigned = state.require(Grouped), state.require(Assigned)
                known = _known(state)
        smaller = fewer_images(observed.slots, grouped.sizes) if early else []
        result = assign_moved(known, grouped.of_class, target=grouped.encodings_each, fewer=smaller)
        state, changed = _answer(state.having(replace(moving, moved=result.moved)), assigned, result.found)
        if result.worth:
            facts |= {"worth_of_further_images": [round(w, 3) for w in result.worth]}
        if len(result.kept) < mixing.unknowns:
            facts |= {"images_found_twice": mixing.unknowns - len(result.kept)}
            state = _reduced(state, _in_place(result.kept, grouped.of_class))
        return state, changed | facts
    state, left_out = _without_idle(state, signs)
    if left_out:
        facts |= {"images_left_out": left_out}
        grouped, assigned, mixing = state.require(Grouped), state.require(Assigned), state.mixing()
        recovered = state.require(Recovered)
    if affordable(observed.slots, grouped.of_class):
        state, changed = _answer(state, assigned, _jointly(state, signs))
        return state, changed | facts
    if grouped.sizes.source == SOURCE:
        state, changed = _answer(state, assigned, _freely(state, signs))
        return state, changed | facts
    rows = torch.from_numpy(state.decided()).to(noise.device)
    # undecided encodings have no say in the images, but are judged in the same folds as all
    silent = torch.full_like(noise, 1e9)
    silent[rows] = noise[rows]
    # sums over images are as large as the images: few and large blocks where there are many
    batch = 256 if grouped.unknowns < DENSE_COLUMNS else 2048
    voiced = Reconstruction(recovered.estimate.images, silent)
    images = cross_fit(observed.values, mixing, voiced, folds=FOLDS, signs=signs, batch=batch)
    if observed.slots.count <= 2 and (not observed.slots.informative or _more_inside(state)):
        return _free(
            state, FreeLinear(signs, observed.values, noise, images, observed.slots, observed.shape), rows, facts
        )
    mixtures = Linear(signs, observed.values, noise, images, observed.slots, observed.shape).fit(mixing, rows)
    found = assign(mixtures, grouped.of_class, assigned.members, target=grouped.encodings_each, sweeps=3)
    state, changed = _answer(state, assigned, found)
    return state, changed | facts


def _jointly(state: State, signs: Tensor) -> Assignment:
    """Members by all images of all encodings together, where images have few encodings (`numerics.couples`)."""
    observed, grouped, assigned = state.observed, state.require(Grouped), state.require(Assigned)
    mass = torch.from_numpy(observed.slots.mass).to(signs.device)
    keep = low_frequencies(observed.shape).to(signs.device)
    mixtures, _ = linear_features(observed.values, mass, observed.shape, signs=signs, columns=keep)
    target = grouped.encodings_each
    couples = Couples.of(mixtures, observed.slots, grouped.of_class, target=target, odds=KNOWN)
    found = reassigned_jointly(couples, assigned.members)
    return Assignment(found.members, found.coefficients, found.certainty)


def _freely(state: State, signs: Tensor) -> Assignment:
    """Members and coefficients by all images of all encodings together, where images are few (`free_couples`)."""
    observed, grouped, assigned = state.observed, state.require(Grouped), state.require(Assigned)
    values = observed.values
    rows = whitened(lambda r: signs[r].float() * values[r].float(), len(values), observed.shape, values.device)
    if grouped.unknowns == 2:  # their directions are not found better than they were
        return Assignment(assigned.members, assigned.coefficients, np.ones(len(values), np.float32))
    found = reassigned_freely(rows, observed.slots, grouped.sizes.per_class, assigned.members)
    return Assignment(found.members, found.coefficients, found.certainty)


def _free(state: State, mixtures: FreeLinear, rows: Tensor, facts: dict[str, Any]) -> tuple[State, dict[str, Any]]:
    """Members and coefficients where labels tell no coefficients; these are what the labels say from then on."""
    observed, grouped, assigned = state.observed, state.require(Grouped), state.require(Assigned)
    recovered = state.require(Recovered)
    if observed.slots.estimated:
        mixtures.prior = Prior.of(assigned.coefficients)
    mixtures.turns = observed.slots.classes == 1 and observed.signs is None
    mixtures.fit(state.mixing(), rows)
    if grouped.unknowns > 1:
        found = assign_free(mixtures, grouped.of_class, grouped.unknowns, grouped.encodings_each)
    else:  # grouping has found its coefficients, but for a common factor
        found = Assignment(assigned.members, assigned.coefficients, np.ones(len(assigned.members), np.float32))
    residual = recovered.estimate.noise.double().cpu().numpy() if observed.slots.estimated else None
    mass, solved = rescaled(found, recovered.estimate.images, residual)
    slots = replace(observed.slots, mass=mass, informative=False, estimated=True)
    estimate = replace(recovered.estimate, images=solved)
    told = replace(state, observed=replace(observed, slots=slots)).having(replace(recovered, estimate=estimate))
    told, changed = _answer(told, assigned, replace(found, coefficients=mass))
    if not observed.slots.estimated:
        changed["changed"] = 1.0  # no coefficient is what it was
    return told, changed | facts | {
        "mean_coefficient": float(mass.mean()),
        "signs_turned": float(mixtures.turned.float().mean()),
    }


def _more_inside(state: State) -> bool:
    """Whether labels give one image all the weight, and yet encodings hold more: class numbers of what was mixed with
    public images."""
    observed = state.observed
    if not observed.slots.whole:
        return False
    rows = torch.from_numpy(state.decided()).to(observed.values.device)
    power = observed.values[rows].float().square().mean(1)
    left = state.require(Recovered).estimate.noise[rows] / power.clamp_min(1e-12)
    return bool(len(rows)) and float(left.median()) > REST


def _known(state: State) -> Moved:
    observed, recovered, mixing = state.observed, state.require(Recovered), state.mixing()
    signs, noise = recovered.signs, recovered.estimate.noise
    assert signs is not None and isinstance(mixing, MovedMixing)
    return Moved(signs, observed.values, noise, recovered.estimate.images, mixing, observed.slots)


def _without_idle(state: State, signs: Tensor) -> tuple[State, int]:
    """Without images that hardly any encoding holds, or that explain nothing of what they were not made from, where
    their number is a guess, and how many these were: grouping makes rather too many than too few."""
    grouped, assigned = state.require(Grouped), state.require(Assigned)
    rounds, count = sum(r.name == "assignment" for r in state.records), grouped.unknowns
    if grouped.sizes.source != GUESSED or rounds < 1 or count < 2:
        return state, 0
    held = np.bincount(assigned.members[assigned.members >= 0], minlength=count)
    stays = held >= HELD
    if rounds >= SURE and len(assigned.members) <= MOST:
        rows, values, mixing = state.decided_rows()
        estimate = state.require(Recovered).estimate
        known = Reconstruction(estimate.images, estimate.noise[rows])
        share = held_out_share(values[:], of_rows(signs, rows)[:], mixing, known, state.observed.shape)
        stays &= (share > NOTHING).cpu().numpy()
    for ids in grouped.of_class:  # a class that encodings name has an image
        if len(ids) and not stays[ids].any():
            stays[ids[held[ids].argmax()]] = True
    left_out = int((~stays).sum())
    if not left_out:
        return state, 0
    return _reduced(state, np.where(stays, np.arange(count), -1)), left_out


def _in_place(kept: NDArray[np.int64], of_class: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """For `_reduced`: images that are not kept become one with the first of their class that is."""
    first = np.arange(sum(map(len, of_class)))
    for ids in of_class:
        stays = np.isin(ids, kept)
        if stays.any():
            first[ids[~stays]] = ids[stays][0]
    return first


def _reduced(state: State, first: NDArray[np.int64]) -> State:
    """With the images that are `first` int64 (N,) of themselves; others become that one, or are left out (-1)."""
    grouped, assigned, recovered = state.require(Grouped), state.require(Assigned), state.require(Recovered)
    kept = np.flatnonzero(first == np.arange(len(first)))
    place = np.where(first >= 0, np.searchsorted(kept, first), -1)
    members = np.where(assigned.members >= 0, place[assigned.members.clip(0)], -1)
    of_class = [np.unique(place[ids][place[ids] >= 0]) for ids in grouped.of_class]
    per_class = np.array([len(ids) for ids in of_class])
    totals = state.observed.slots.totals()[: len(per_class)]
    each = totals[per_class > 0] / per_class[per_class > 0]
    even = grouped.sizes.exact and bool(np.ptp(each) < 0.03 * each.mean())
    sizes = Sizes(per_class, float(each.mean()), even, grouped.sizes.source)
    images = recovered.estimate.images[np.append(kept, len(first))]
    estimate = replace(recovered.estimate, images=images)
    return state.having(
        replace(grouped, of_class=of_class, sizes=sizes, cliques=None),
        replace(assigned, members=members),
        replace(recovered, estimate=estimate),
    )


def to_survey(state: State) -> bool:
    """Whether it is time to ask for motions, once: as soon as coefficients are known, by labels or the images.

    Guessed coefficients leave a rest that any further freedom explains: releases with class numbers alone were taken
    for stretched, and came out at a strict SSIM of 0.38 for 0.83.  The class number of one image beside public ones is
    such a guess too, though it looks like a weight of 1.
    """
    slots = state.observed.slots
    asked = any(GAINS in r.diagnostics for r in state.records)
    # where images move, or labels name more than two, coefficients stay as they are
    stay = state.find(Moving) is not None or slots.count > 2
    if asked or slots.estimated or stay:
        return not asked
    return slots.informative and not (slots.count == 1 and _more_inside(state))


def _surveyed(state: State, signs: Tensor) -> tuple[State, dict[str, Any], Kind | None]:
    """With the kind of motion that explains encodings best, where one does that grouping knew nothing of."""
    observed, recovered, mixing = state.observed, state.require(Recovered), state.mixing()
    moving, low = state.find(Moving), observed.image_range[0]
    facts: dict[str, Any] = {GAINS: {}}
    if not len(state.decided()):
        return state, facts, None
    if observed.values.device.type != "cpu":  # see `grouping=signed`
        there, facts, kind = _surveyed(state.on("cpu"), signs.cpu())
        return state if kind is None else there, facts, kind
    still = torch.eye(2, 3)
    if not isinstance(mixing, MovedMixing):
        alone = Motions(still[None], observed.shape, low)
        parts = (mixing.members, mixing.coefficients, mixing.share, mixing.unknowns)
        mixing = MovedMixing(*parts, motions=alone, moved=torch.zeros_like(mixing.members))
    known = Moved(signs, observed.values, recovered.estimate.noise, recovered.estimate.images, mixing, observed.slots)
    pixels = 1 if moving is None else int(moving.group.shift)
    kind, gains = surveyed(known, low, pixels, mirror=moving is not None and moving.group.mirror)
    facts = {GAINS: {name: round(gain, 1) for name, gain in gains.items()}}
    if kind is None or (moving is not None and kind.group == moving.group):
        return state, facts, None
    near = nearest(mixing.motions.theta, kind.motions)
    moving = Moving(kind.group, kind.motions, near[mixing.moved], kind.spacing)
    return state.having(moving), facts | {"augmentation": kind.group.words()}, kind


def _answer(state: State, assigned: Assigned, found: Assignment) -> tuple[State, dict[str, Any]]:
    changed = float((assigned.members != found.members).any(1).mean())
    return state.having(Assigned(found.members, found.coefficients, found.certainty)), {
        "changed": changed,
        "mean_certainty": float(np.mean(found.certainty)),
    }
