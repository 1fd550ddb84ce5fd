"""Whether the images of a release were moved anew for every use; if so, all encodings grouped with their motions.

Two encodings of one image look alike at the motion that takes one to the other.  Where nothing moves, that is no motion
at all; mirrored images show under the mirror, shifted ones elsewhere.  What chance finds among so many motions is
measured on the same encodings turned upside down, as no image is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.grouping import Grouping
from ihaudit.attacks.numerics.labels import IntArray, Slots
from ihaudit.attacks.numerics.motions import about_mean, nearest, shifts
from ihaudit.attacks.numerics.moved_clusters import Look, MovedClusters, Spectra, moved_clusters
from ihaudit.attacks.numerics.moved_copies import Listed
from ihaudit.attacks.numerics.moved_kinds import Kind, how_wide, stretched
from ihaudit.attacks.numerics.moved_stretches import FURTHEST as STRETCH
from ihaudit.attacks.numerics.moved_stretches import Stretched, factors, other_stretch
from ihaudit.attacks.numerics.parallel import run_jobs, single_threaded
from ihaudit.attacks.numerics.sizes import WORTH, infer_sizes
from ihaudit.attacks.numerics.transforms import Shape
from ihaudit.scheme import Augmentation

#: strong encodings of a class that are compared in pairs, classes that are looked at, and quantile of chance beyond
#: which a pair counts
PROBE, CLASSES, CHANCE = 150, 3, 0.9995
#: share of the pairs found that a motion must have, pairs there must be, and standard deviations by which moved pairs
#: must be more than chance finds
SEEN, FEWEST, SURE = 0.15, 20, 3.0
#: standard errors by which the share of moved pairs must exceed `SEEN`: one encoding that looks like many brings many
#: pairs, so that few pairs say less than their number
ERRORS = 1.64
#: share of the weight of a cluster that lies within its shifts; the furthest shift, as a share of the side
WITHIN, FURTHEST = 0.97, 0.25
#: clusters that are begun with for each image that there is, where images were stretched
MORE = 1.6
#: slots on which numbers of images are tried
TRIAL = 400
#: share of the moved pairs that look more alike stretched, from which images were.  Measured: 0.00 to 0.31 where they
#: were mirrored, shifted or turned, 0.65 to 0.82 where stretched by 10 to 50 % (reports/measurements/augmented.md)
STRETCHED = 0.45
Progress = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Seen:
    """How images seem to move.

    Attributes:
        pairs: pairs of encodings that look alike, less those that chance accounts for.
        moved: share of them that do under another motion than none.
        error: standard error of that share, encodings taken for independent and pairs not.
        mirrored: share that do mirrored, of those that chance does not account for.
        reach: furthest shift of an image along an axis, in pixels.
        stretched: images seem to be stretched too.
    """

    pairs: int
    moved: float
    mirrored: float
    reach: int
    stretched: bool = False
    error: float = 0.0

    @property
    def any(self) -> bool:
        """Whether anything moves."""
        return self.pairs >= FEWEST and self.moved - ERRORS * self.error > SEEN

    def group(self) -> Augmentation:
        """The motions that were seen."""
        return Augmentation(shift=float(self.reach), mirror=self.mirrored > SEEN)


def furthest(shape: Shape) -> int:
    """Shifts between two copies that are looked at, in pixels."""
    return max(1, int(FURTHEST * min(shape[1:])))


def seen(mixtures: Callable[[Tensor], Tensor], slots: Slots, shape: Shape, device: torch.device) -> Seen:
    """How images seem to move, from ``mixtures(rows)`` (n, P) as far as they are unmasked; few rows are looked at."""
    alone = ~slots.shared
    usable = alone if bool(alone.sum() > 0.3 * len(alone)) else np.ones(len(alone), bool)
    totals = slots.totals()
    chosen = []
    for c in [int(c) for c in np.argsort(totals) if totals[c] > 0][:CLASSES]:
        rows, columns = np.nonzero((slots.label == c) & usable[:, None])
        strongest = rows[np.argsort(-slots.mass[rows, columns], kind="stable")]
        # an encoding whose images are of one class, or that tells none, has several slots of it
        _, once = np.unique(strongest, return_index=True)
        chosen.append(np.sort(strongest[np.sort(once)[:PROBE]]))
    every = np.unique(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)
    if len(every) < 8:
        return Seen(0, 0.0, 0.0, 0)
    index = torch.from_numpy(every).to(device)
    mass = torch.from_numpy(slots.mass[every]).to(device)
    # whitening needs more encodings than a class has: all of the few classes share it
    unmasked = mixtures(index).float()
    spectra = Spectra.of(unmasked, mass, shape, furthest(shape))
    level, motion, chance, pairs = [], [], [], []
    for own in chosen:
        place = torch.from_numpy(np.searchsorted(every, own)).to(device)
        some = spectra.some(place)
        size = some.energy.sqrt()
        first, second = np.triu_indices(len(own), 1)
        best, at, _ = some.best(some.straight)
        # upside down: frequencies down run the other way
        upside = some.straight[:, :, (-torch.arange(shape[1])) % shape[1]]
        other, _, _ = some.best(upside)
        scale = (size[:, None] * size[None])[first, second]
        level.append(best[first, second] / scale)
        motion.append(at[first, second])
        chance.append(other[first, second] / scale)
        pairs.append(torch.stack([place[first], place[second]], 1))
    alike = torch.cat(level) > torch.quantile(torch.cat(chance), CHANCE)
    found = torch.cat(motion)[alike]
    # pairs that chance finds, under any of the motions: all there are where a class has a thousand images, few of
    # whose encodings are looked at
    chances = (1 - CHANCE) * len(alike)
    true = len(found) - chances
    if true <= 0:
        return Seen(0, 0.0, 0.0, 0)
    mirrored, down, right = spectra.parts(found)
    distance = torch.maximum(down.abs(), right.abs())
    moving = float((mirrored | (distance > 0)).sum()) - chances
    moved = min(1.0, moving / true) if moving > SURE * chances**0.5 else 0.0
    ends = torch.cat(pairs)
    moves = alike.clone()
    moves[alike] = mirrored | (distance > 0)
    error = _jackknife(ends, alike, moves, len(every))
    # two copies are at most twice as far apart as each is moved; the furthest pairs are so few that chance, taken off
    # here, takes them too, and four pixels become three
    counts = torch.bincount(distance, minlength=2).double() / len(found)
    beyond = counts.flip(0).cumsum(0).flip(0)
    reach = int((beyond > 0.02).nonzero().max()) if moved > SEEN else 0
    turned_over = max(0.0, (float(mirrored.sum()) - chances / 2) / true)
    how = Seen(round(true), moved, min(turned_over, 1.0), -(-reach // 2), error=error)
    if not how.any or not how.reach:
        return how
    share = other_stretch(unmasked, mass, shape, furthest(shape), ends[alike], mirrored)
    return replace(how, stretched=share > STRETCHED)


def _jackknife(ends: Tensor, alike: Tensor, moves: Tensor, count: int) -> float:
    """Standard error of the share of moved pairs, from what it is without each of the encodings.

    Args:
        ends: int64 (m, 2), the encodings of every pair that was compared, below `count`.
        alike, moves: bool (m,), the pairs that look alike, and those of them that do under a motion.
    """

    def without(which: Tensor) -> Tensor:
        own = torch.bincount(ends[which].flatten(), minlength=count)
        return (int(which.sum()) - own).double()

    chances = (1 - CHANCE) * without(torch.ones_like(alike))
    share = (without(moves) - chances) / (without(alike) - chances).clamp_min(1.0)
    return float(((share - share.mean()).square().mean() * (count - 1)).sqrt())


@dataclass(frozen=True, eq=False)
class MovedGrouping:
    """All encodings grouped.

    Attributes:
        found: see `Grouping`; members -1 where undecided.
        kind: the motions there are; moved: int64 (E, s), that of each slot.
        polarity: float32 (E,) in {-1, 1}, the global sign of each encoding.
    """

    found: Grouping
    kind: Kind
    moved: IntArray
    polarity: Tensor


def group_moved(
    mixtures: Tensor,
    slots: Slots,
    shape: Shape,
    how: Seen,
    *,
    fill: float | None,
    n_private: int | None = None,
    progress: Progress | None = None,
) -> MovedGrouping:
    """Clusters of every class with the shift and mirror of each encoding.

    Args:
        mixtures: (E, P), unmasked by the network.
        how: what moves.
        fill: what lies beyond the border of a shifted image, in mixing units.
        n_private: a publicly stated number of private images.
    """
    mass = torch.from_numpy(slots.mass).to(mixtures.device)
    if how.stretched:
        mirror = how.group().mirror
        stretch = Stretched.of(mixtures, mass, factors(shape, STRETCH, mirror=mirror), furthest(shape) + 2)

        def by_width(all_found: Sequence[Placed]) -> tuple[Kind, list[Framed]]:
            theta = [
                about_mean(stretch.theta(p.found.motion), p.found.cluster, p.scale**2, p.count, turn=False)[0]
                for p in all_found
            ]
            scale = torch.cat([p.scale for p in all_found])
            kind = stretched(shape, how_wide(torch.cat(theta), scale, shape), mirror=mirror)
            return kind, [(nearest(t, kind.motions), torch.ones(len(t), dtype=torch.bool)) for t in theta]

        return _grouped(stretch, slots, by_width, n_private, progress, more=MORE)
    spectra = Spectra.of(mixtures, mass, shape, min(2 * how.reach, furthest(shape)))
    kind = Kind(how.group(), shifts(shape, how.reach, mirror=True, fill=fill))

    def by_shift(all_found: Sequence[Placed]) -> tuple[Kind, list[Framed]]:
        return kind, [_framed(p.found, spectra, p.scale, how.reach, p.count) for p in all_found]

    return _grouped(spectra, slots, by_shift, n_private, progress)


def group_listed(
    mixtures: Tensor,
    slots: Slots,
    kind: Kind,
    *,
    n_private: int | None = None,
    progress: Progress | None = None,
) -> MovedGrouping:
    """Clusters of every class with the motion of each encoding, of a list.

    Args:
        mixtures, n_private: as for `group_moved`.
        kind: the motions that there are, and those from one copy to another, of which fewer may do.
    """
    wide, turn = kind.wide, kind.group.rotation > 0
    assert wide is not None
    listed = Listed.of(mixtures, torch.from_numpy(slots.mass).to(mixtures.device), wide)

    def by_mean(all_found: Sequence[Placed]) -> tuple[Kind, list[Framed]]:
        out = []
        for p in all_found:
            theta = about_mean(wide.theta[p.found.motion], p.found.cluster, p.scale**2, p.count, turn=turn)[0]
            out.append((nearest(theta, kind.motions), torch.ones(len(theta), dtype=torch.bool)))
        return kind, out

    return _grouped(listed, slots, by_mean, n_private, progress)


@dataclass(frozen=True, eq=False)
class Placed:
    """The clusters of a class: found, float32 (n,) coefficients of its slots, and their number."""

    found: MovedClusters
    scale: Tensor
    count: int


#: int64 (n,) motions of a kind that make the copies of a class, and bool (n,): whether they lie within it
Framed = tuple[Tensor, Tensor]


def _grouped(
    look: Look,
    slots: Slots,
    framed: Callable[[Sequence[Placed]], tuple[Kind, list[Framed]]],
    n_private: int | None,
    progress: Progress | None,
    *,
    more: float = 1.0,
) -> MovedGrouping:
    device = look.weight.device
    alone = ~slots.shared
    usable = alone if bool(alone.sum() > 0.3 * len(alone)) else np.ones(len(alone), bool)

    def strongest(c: int) -> tuple[IntArray, IntArray]:
        rows, columns = np.nonzero((slots.label == c) & usable[:, None])
        if slots.count == 2 and len(rows) and bool(slots.shared[rows].all()):
            rows, columns = rows[columns == 0], columns[columns == 0]
        order = np.argsort(-slots.mass[rows, columns], kind="stable")
        return rows[order], columns[order]

    def clusters(rows: IntArray, columns: IntArray, k: int, exact: bool, rounds: int, last: int) -> MovedClusters:
        scale = torch.from_numpy(slots.mass[rows, columns]).to(device)
        part = look.some(torch.from_numpy(rows).to(device))
        return moved_clusters(part, scale, k, balance=1.0 if exact else 0.5, rounds=rounds, last=last, more=more)

    tried: dict[int, tuple[int, float]] = {}

    def trial(c: int, k: int, exact: bool) -> float:
        best_k, best = tried.get(c, (k, 0.0))
        if k > 2 * best_k:  # numbers are tried from the smallest on, and the last ones did not pay
            return 0.0
        rows, columns = strongest(c)
        score = clusters(rows[:TRIAL], columns[:TRIAL], k, exact and len(rows) <= TRIAL, 2, 1).score
        if c not in tried or score > best * (1 + WORTH * (k / best_k - 1)):
            tried[c] = k, score
        return score

    with single_threaded():
        sizes = infer_sizes(slots, trial, n_private=n_private)
    first = np.concatenate([[0], np.cumsum(sizes.per_class)])
    members = np.full(slots.label.shape, -1, dtype=np.int64)
    signs = np.zeros(slots.label.shape, dtype=np.float32)
    done = 0

    def one(c: int) -> tuple[MovedClusters, IntArray, IntArray] | None:
        nonlocal done
        k = int(sizes.per_class[c])
        rows, columns = strongest(c)
        found = clusters(rows, columns, k, sizes.exact, 5, 2) if k and len(rows) else None
        done += 1
        if progress is not None:
            progress("grouping", done / slots.classes)
        return None if found is None else (found, rows, columns)

    results = [
        (c, result) for c, result in enumerate(run_jobs(one, list(range(slots.classes)), device)) if result is not None
    ]
    kind, places = framed(
        [
            Placed(found, torch.from_numpy(slots.mass[rows, columns]), int(sizes.per_class[c]))
            for c, (found, rows, columns) in results
        ]
    )
    moved = np.full(slots.label.shape, int(nearest(torch.eye(2, 3)[None], kind.motions)), dtype=np.int64)
    for (c, (found, rows, columns)), (motion, inside) in zip(results, places, strict=True):
        members[rows, columns] = np.where(inside.numpy(), first[c] + found.cluster.numpy(), -1)
        moved[rows, columns] = motion.numpy()
        signs[rows, columns] = found.sign.numpy()
    scores = [found.score for _, (found, _, _) in results]
    of_class = [np.arange(first[c], first[c + 1], dtype=np.int64) for c in range(slots.classes)]
    polarity = _polarity(members, signs, slots, int(first[-1]))
    return MovedGrouping(Grouping(members, of_class, sizes, scores), kind, moved, torch.from_numpy(polarity))


def _framed(found: MovedClusters, spectra: Spectra, scale: Tensor, reach: int, k: int) -> tuple[Tensor, Tensor]:
    """Motions as of `shifts` that make the encodings' copies of images, each image where most of its copies come from.

    A cluster lies wherever its first encoding did.  Copies are shifted by up to `reach` from where the image was, so
    that all must lie within that of it; of several places that fit, the middle one is taken.

    Returns:
        int64 (n,), and bool (n,): the copy lies within reach.
    """
    mirrored, down, right = spectra.parts(found.motion)
    centred = []
    for shift in (down.clone(), right.clone()):
        for c in range(k):
            own = torch.nonzero(found.cluster == c)[:, 0]
            far = spectra.reach
            weight = np.bincount(shift[own].numpy() + far, scale[own].numpy() ** 2, minlength=2 * far + 1)
            held = np.array([weight[max(0, a - reach) : a + reach + 1].sum() for a in range(2 * far + 1)])
            good = np.flatnonzero(held >= WITHIN * held.max())
            shift[own] -= round(float(good.mean())) - far
        centred.append(shift)
    down, right = centred
    inside = (down.abs() <= reach) & (right.abs() <= reach)
    # the motion found takes the copy to the image; what is wanted is the way back
    side = 2 * reach + 1
    down = (-down).clamp(-reach, reach)
    right = torch.where(mirrored, right, -right).clamp(-reach, reach)
    return mirrored * side**2 + (down + reach) * side + right + reach, inside


def _polarity(members: IntArray, signs: NDArray[np.float32], slots: Slots, count: int) -> NDArray[np.float32]:
    """Global signs float32 (E,) in {-1, 1}: those of clusters agree where encodings hold two, and most signs are right.

    The leading eigenvector of how often two clusters agree (angular synchronisation with two angles, Singer 2011).
    """
    s = members.shape[1]
    agree = np.zeros((count, count))
    weight = slots.mass * (members >= 0)
    for a in range(s):
        for b in range(a + 1, s):
            both = (members[:, a] >= 0) & (members[:, b] >= 0)
            i, j = members[both, a], members[both, b]
            value = signs[both, a] * signs[both, b] * slots.mass[both, a] * slots.mass[both, b]
            np.add.at(agree, (i, j), value)
            np.add.at(agree, (j, i), value)
    side = np.ones(count)
    if count > 1 and agree.any():
        side = np.sign(np.linalg.eigh(agree)[1][:, -1])
        side[side == 0] = 1
    vote = (side[members.clip(0)] * signs * weight).sum(1) if count else np.zeros(len(members))
    if (np.sign(vote) * np.abs(vote)).sum() < 0:
        vote = -vote
    result: NDArray[np.float32] = np.where(vote < 0, -1, 1).astype(np.float32)
    return result
