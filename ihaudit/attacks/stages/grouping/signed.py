"""`grouping=signed`: annealed EM on squares and unmasked mixtures together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.clusters import PRIOR, Statistic
from ihaudit.attacks.numerics.companions import SPARED, explained, fewest, only_image, smaller
from ihaudit.attacks.numerics.couples import KNOWN, Couples, affordable, best_from
from ihaudit.attacks.numerics.free_coefficients import LEAST, MOST
from ihaudit.attacks.numerics.free_couples import SOURCE, Few, estimated, few_images, images_of, numbers, whitened
from ihaudit.attacks.numerics.grouping import SPARING, Grouping, group
from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.moved_grouping import MovedGrouping, Seen, group_listed, group_moved, seen
from ihaudit.attacks.numerics.moved_kinds import Kind
from ihaudit.attacks.numerics.scratch import ROWS, empty, hand_back_pages
from ihaudit.attacks.numerics.sizes import STEP, Sizes, fewer_images
from ihaudit.attacks.stages.state import (
    Assigned,
    Features,
    Grouped,
    Mixtures,
    Moving,
    Observed,
    Recovered,
    State,
    Unmasked,
)
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.engines.parts import elsewhere
from ihaudit.release import FloatArray

#: mean coefficient of the only image of a release, before residuals tell
ALONE = 0.4
#: weights of the two log-likelihoods (chosen on a development seed of the reference benchmark, T = 10 to 50)
SQUARES, MIXTURES = 0.5, 0.7
#: how far squares and coefficients that labels do not tell are from usual ones, as a share of these
GUESSES = 0.9, 0.5


@stage("grouping", "signed")
def grouping_signed(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Annealed EM per class on squares and unmasked mixtures; numbers of images and global signs are inferred.

    Where images seem to have been moved anew for every use, under all motions instead (`numerics.moved_clusters`).
    """
    observed, unmasked = state.observed, state.require(Unmasked)

    def mixtures_of(rows: Tensor) -> Tensor:
        return (unmasked.signs[rows].float() * observed.values[rows]).half()

    how = seen(mixtures_of, observed.slots, observed.shape, observed.values.device)
    hand_back_pages()
    if how.any:
        # motions are maps on the CPU, and from here on all but the networks is done there
        return _moved(state.on("cpu"), ctx, _unmasked(observed, unmasked), how)
    squares, mixtures = state.require(Features), state.require(Mixtures)
    mass = torch.from_numpy(observed.slots.mass).to(squares.rows.device)
    guessed = not observed.slots.informative or observed.slots.whole
    of_squares, of_mixtures = GUESSES if guessed else (0.0, 0.0)
    statistics = [
        Statistic(squares.rows, squares.weight, mass**2, temper=SQUARES, spread=of_squares),
        Statistic(
            mixtures.rows,
            mixtures.weight,
            mass,
            signed=unmasked.polarity is None,
            temper=MIXTURES,
            spread=of_mixtures,
        ),
    ]

    def grouped(n_private: int | None) -> tuple[Grouping, Tensor]:
        return group(
            statistics,
            observed.slots,
            seed=ctx.seed % 2**31,
            effort=SPARING,
            n_private=n_private,
            progress=ctx.progress,
            elsewhere=elsewhere(ctx),
        )

    found, polarity = grouped(observed.n_private)
    alone = _only_image(found, mixtures_of, state)
    if alone is not None:
        polarity, strength = alone
        state, found = _one_image(state, found, strength.cpu().numpy())
    else:
        few = _few_images(found, mixtures_of, state, ctx)
        if few is not None:
            return _answered(state, few)
        found, polarity = _without_companions(found, polarity, mixtures, observed.slots, grouped)
        # one class for all: clusters mix images with others' negatives, and know signs less well than the network does
        # (rows right at T = 20, k = 6, seed 3: 0.83 and 0.98)
        unlabelled = observed.slots.classes == 1 and not observed.slots.informative
        if observed.signs is not None or unmasked.known or unlabelled:
            polarity = torch.ones_like(polarity)
    state, facts = _jointly(state, found, polarity, ctx)
    turned = state.require(Unmasked).polarity
    assert turned is not None
    return state, state.require(Grouped).sizes.facts | facts | {
        "score": float(sum(found.scores)),
        "signs_turned": float((turned < 0).float().mean()),
        "augmentation": "none seen",
    }


def _jointly(state: State, found: Grouping, polarity: Tensor, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Grouped, and where that is affordable grouped again by what all images explain together (`numerics.couples`):
    into fewer images where these are enough."""
    observed, unmasked, mixtures = state.observed, state.require(Unmasked), state.require(Mixtures)
    if not affordable(observed.slots, found.of_class):
        return state.grouped(found).having(replace(unmasked, polarity=polarity)), {}
    known = observed.signs is not None or unmasked.known
    seed, odds = ctx.seed % 2**31, KNOWN if known else PRIOR

    def of(per_class: NDArray[np.int64], target: float | None) -> tuple[Couples, list[NDArray[np.int64]]]:
        of_class = [np.arange(n, dtype=np.int64) + k for n, k in zip(per_class, np.cumsum(per_class) - per_class)]
        return Couples.of(mixtures.rows, observed.slots, of_class, target=target, odds=odds), of_class

    sizes = found.sizes
    couples, of_class = of(sizes.per_class, sizes.multiplicity if sizes.exact else None)
    count = int(sizes.per_class.sum())
    tried = {count: (best_from(couples, seed, (found.members, polarity)), couples, of_class, sizes)}
    for per_class in fewer_images(observed.slots, sizes):
        each = float(observed.slots.totals().sum() / per_class.sum())
        couples, of_class = of(per_class, each)
        fewer = replace(sizes, per_class=per_class, multiplicity=each)
        tried[int(per_class.sum())] = (best_from(couples, seed, restarts=2), couples, of_class, fewer)
    others = sorted((n for n in tried if n < count), reverse=True)
    guess, couples, of_class, sizes = tried[fewest(count, others, lambda n: tried[n][0].score)]
    best = couples.answer(guess)
    state = state.grouped(Grouping(best.members, of_class, sizes, [guess.score]))
    assigned = Assigned(best.members, best.coefficients, best.certainty)
    polarity = polarity if known else best.polarity
    return state.having(assigned, replace(unmasked, polarity=polarity)), {"score_of_couples": round(guess.score, 1)}


def _few_images(found: Grouping, mixtures_of: Callable[[Tensor], Tensor], state: State, ctx: Context) -> Few | None:
    """`free_couples.few_images`, where labels tell no coefficients of two images and images may be few."""
    observed = state.observed
    slots, count = observed.slots, int(found.sizes.per_class.sum())
    if (
        slots.informative
        or slots.count != 2
        or bool((slots.label < 0).any())
        or (count > SPARED and slots.classes == 1)
    ):
        return None
    tried = numbers(slots, round(count / STEP), observed.n_private)  # grouping makes some to spare
    if not tried or (count > SPARED and len(tried) == 1):
        return None
    rows = whitened(mixtures_of, len(slots.label), observed.shape, observed.values.device)
    few = few_images(rows, slots, tried, ctx.seed % 2**31)
    # images of nothing bring more the fewer encodings each has, without end
    return None if few is None or (len(tried) > 1 and not few.enough) else few


def _answered(state: State, few: Few) -> tuple[State, dict[str, Any]]:
    observed, unmasked = state.observed, state.require(Unmasked)
    slots, count = estimated(observed.slots, few), int(few.per_class.sum())
    sizes = Sizes(few.per_class, slots.label.size / count, False, SOURCE)
    state = replace(state, observed=replace(observed, slots=slots))
    state = state.grouped(Grouping(few.answer.members, images_of(few.per_class), sizes, []))
    known = observed.signs is not None or unmasked.known
    polarity = torch.ones_like(few.answer.polarity) if known else few.answer.polarity
    assigned = Assigned(few.answer.members, few.answer.coefficients, few.answer.certainty)
    return state.having(assigned, replace(unmasked, polarity=polarity)), sizes.facts | {
        "score_by_images": few.scores,
        "signs_turned": float((polarity < 0).float().mean()),
        "augmentation": "none seen",
    }


def _only_image(found: Grouping, mixtures_of: Callable[[Tensor], Tensor], state: State) -> tuple[Tensor, Tensor] | None:
    """`companions.only_image`, where labels do not speak against it."""
    slots, count = state.observed.slots, int(found.sizes.per_class.sum())
    if count > SPARED or state.observed.n_private is not None or int((slots.totals() > 0).sum()) != 1:
        return None
    mass = torch.from_numpy(slots.mass.sum(1)).to(state.observed.values.device)
    return only_image(mixtures_of, mass, state.observed.shape)


def _one_image(state: State, found: Grouping, strength: FloatArray) -> tuple[State, Grouping]:
    """The only image in every encoding, in one slot, as strong as float32 (E,) where labels do not tell."""
    slots = state.observed.slots
    used = int(np.flatnonzero(slots.totals())[0])
    one = np.zeros((len(slots.label), 1), np.int64)
    told = slots.informative and not slots.whole
    mass = slots.mass.sum(1) if told else np.clip(ALONE * strength, LEAST, MOST)
    alone = Slots(one + used, mass[:, None].astype(np.float32), one[:, 0] > 0, slots.classes, told, estimated=not told)
    per_class = np.eye(1, len(found.sizes.per_class), used, dtype=np.int64)[0]
    sizes = Sizes(per_class, float(len(one)), True, "all encodings share one image")
    of_class = [np.arange(n, dtype=np.int64) for n in per_class]
    return replace(state, observed=replace(state.observed, slots=alone)), Grouping(one, of_class, sizes, [])


def _without_companions(
    found: Grouping,
    polarity: Tensor,
    mixtures: Mixtures,
    slots: Slots,
    grouped: Callable[[int], tuple[Grouping, Tensor]],
) -> tuple[Grouping, Tensor]:
    """The grouping, or one into fewer images where these are enough (`numerics.companions`)."""
    others = smaller(slots, found.sizes)
    if not others:
        return found, polarity
    count = found.sizes.per_class.sum()
    tried = {int(count): (found, polarity)} | {n: grouped(n) for n in others}

    def worth(n: int) -> float:
        trial, sign = tried[n]
        rows = mixtures.rows * torch.where(sign < 0, -1.0, 1.0)[:, None]
        return explained(rows, mixtures.weight, trial.members, slots.mass, int(trial.sizes.per_class.sum()))

    best, sign = tried[fewest(int(count), others, worth)]
    return replace(best, sizes=replace(best.sizes, source=found.sizes.source)), sign


def _unmasked(observed: Observed, unmasked: Unmasked) -> Tensor:
    """All encodings float16 (E, P) on the CPU as far as they are unmasked; in a file where they are many."""
    out = empty((len(observed.values), observed.values.shape[1]), torch.float16, "cpu")
    for i in range(0, len(out), ROWS):
        rows = slice(i, i + ROWS)
        out[rows] = unmasked.signs[rows].float() * observed.values[rows]
        hand_back_pages()
    return out


def _moved(state: State, ctx: Context, mixtures: Tensor, how: Seen) -> tuple[State, dict[str, Any]]:
    observed = state.observed
    result = group_moved(
        mixtures,
        observed.slots,
        observed.shape,
        how,
        fill=observed.image_range[0],
        n_private=observed.n_private,
        progress=ctx.progress,
    )
    state, facts = _answer(state, result)
    return state, facts | {"pairs_moved": round(how.moved, 3), "pairs_mirrored": round(how.mirrored, 3)}


def regrouped(state: State, ctx: Context, kind: Kind) -> tuple[State, dict[str, Any]]:
    """Grouped anew, under a kind of motion that pairs of encodings did not show; what was recovered is forgotten."""
    observed, unmasked = state.observed, state.require(Unmasked)
    result = group_listed(
        _unmasked(observed, unmasked), observed.slots, kind, n_private=observed.n_private, progress=ctx.progress
    )
    return _answer(state.without(Recovered), result)


def _answer(state: State, result: MovedGrouping) -> tuple[State, dict[str, Any]]:
    observed, unmasked, kind = state.observed, state.require(Unmasked), result.kind
    moving = Moving(kind.group, kind.motions, torch.from_numpy(result.moved), kind.spacing)
    found, polarity = result.found, result.polarity
    if observed.signs is not None or unmasked.known:
        polarity = torch.ones_like(polarity)
    return state.grouped(found).having(replace(unmasked, polarity=polarity), moving), found.sizes.facts | {
        "score": float(sum(found.scores)),
        "signs_turned": float((polarity < 0).float().mean()),
        "augmentation": moving.group.words(),
    }
