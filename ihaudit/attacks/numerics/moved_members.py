"""Which images an encoding holds, and how each was moved, from all images under all motions and what the labels say.

As `members.Linear`, each image standing for all its moved copies.  The present choice explains a share of the
encoding's own noise, since the images were made of it; that share (its leverage) is taken off, which does what judging
by images made without the encoding does there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.labels import IntArray, Slots
from ihaudit.attacks.numerics.members import LEAST, TEMPER, Assignment, Pairs, Whitening, choose_pairs, split_products
from ihaudit.attacks.numerics.motions import Motions, about_mean
from ihaudit.attacks.numerics.moved_mixing import MovedMixing
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.transforms import Shape, dct, low_frequencies

#: images that each slot keeps for the joint comparison
SHORT_LIST = 6
#: sweeps over the slots, where there are more than two
SWEEPS = 1
#: correlation of whitened images, in the best motion, from which they are one, and by how much it must lie above what
#: images of different classes reach
ALIKE, ABOVE = 0.45, 0.1
#: images are too many where those that fewer would do without are worth less than this share of those that stay
SPARE = 0.2
#: nats that a small step must gain
SURE = 1.5
_ROWS, _MOMENTS = 512, 5000
_FORBIDDEN = -1e9


@dataclass(frozen=True, eq=False)
class MovedAssignment:
    """An `Assignment`, and moved: int64 (E, s), the motion in each slot.

    Attributes:
        kept: the images that were needed.
        worth: of the images that fewer would do without, see `spare`, for each number that was tried.
    """

    found: Assignment
    moved: Tensor
    kept: IntArray
    worth: tuple[float, ...] = ()


class Moved:
    """Unmasked mixtures and images under all motions, whitened."""

    def __init__(self, signs: Tensor, values: Tensor, noise: Tensor, images: Tensor, mixing: MovedMixing, slots: Slots):
        """`signs` (E, P) of the magnitudes `values`; `noise` (E,) variances; `images` (N + 1, P); `mixing` as known."""
        self.images, self.mixing, self.slots, self.noise = images, mixing, slots, noise
        self.mass = torch.from_numpy(slots.mass).to(values.device)
        self.motions, self.shape = mixing.motions, mixing.motions.shape
        self.keep = low_frequencies(self.shape).to(values.device)
        held = mixing.members >= 0
        whole = held.all(1)
        decided = torch.nonzero(whole if whole.any() else held.any(1))[:, 0]
        sample = decided[:: max(1, len(decided) // _MOMENTS)]
        moments: list[Tensor] = []
        for part in sample.split(_ROWS):
            level = noise[part, None].sqrt()
            some = mixing.some(part)
            y = self.coefficients((signs[part].float() * values[part] - some.share[:, None] * images[-1]) / level)
            z = self.coefficients((some.forward(images, slice(None)) - some.share[:, None] * images[-1]) / level)
            moments.append(torch.stack([(y**2).sum(0), (y * z).sum(0), (z**2).sum(0)]))
        self.whitening = Whitening.of(*torch.stack(moments).sum(0) / max(1, len(sample)))
        if not len(sample):  # nothing to learn it from
            one = torch.ones(len(self.keep), device=values.device)
            self.whitening = Whitening(one, one)
        self.gain = self.whitening.gain / self.whitening.deviation
        self._signs, self._values = signs, values

    @cached_property
    def observed(self) -> Tensor:
        """Whitened encodings (E, D) less their mean public image."""
        out = torch.empty(len(self._values), len(self.keep), device=self._values.device)
        for rows in torch.arange(len(out), device=out.device).split(_ROWS):
            out[rows] = self.some(rows)
        return out

    def some(self, rows: Tensor) -> Tensor:
        """The part (n, D) of the encodings `rows`; cheaper than `observed` where they are few."""
        y = self._signs[rows].float() * self._values[rows] - self.mixing.share[rows, None] * self.images[-1]
        return self.coefficients(y) / self.whitening.deviation

    def coefficients(self, x: Tensor) -> Tensor:
        """The transform of rows (n, P) in which all is compared, (n, D), not whitened yet."""
        return dct(x, self.shape)[:, self.keep]

    def seen(self, ids: Tensor, moved: Tensor) -> Tensor:
        """Whitened copies (n, D) of images under motions, both int64 (n,)."""
        return self.coefficients(self.motions.move(self.images[ids], moved)) * self.gain

    def under(self, ids: Tensor, motions: Motions) -> Tensor:
        """Whitened copies (n, D) of images (n,), each under its own of n motions."""
        moved = motions.move(self.images[ids], torch.arange(len(ids), device=ids.device))
        return self.coefficients(moved) * self.gain

    def copies(self, image: Tensor, motions: Motions) -> Tensor:
        """Whitened copies (G, D) of one image (P,) under all motions of a list, which need not be the mixing's."""
        parts = []
        for ids in torch.arange(len(motions), device=self.images.device).split(_ROWS):
            moved = motions.move(image.expand(len(ids), -1), ids)
            parts.append(self.coefficients(moved) * self.gain)
        return torch.cat(parts)

    def leverage(self) -> Tensor:
        """float32 (E, s): the share of its own noise that the present choice of a slot explains."""
        members = self.mixing.members
        own = torch.where(members >= 0, self.mixing.coefficients**2, 0.0) / self.noise[:, None]
        total = torch.zeros(self.mixing.unknowns, device=own.device)
        total.index_add_(0, members.clamp_min(0).flatten(), own.flatten())
        share: Tensor = (own / total[members.clamp_min(0)].clamp_min(1e-6)).clamp_max(0.5)
        return share


def assign_moved(
    observed: Moved,
    of_class: Sequence[IntArray],
    *,
    target: float | None = None,
    fewer: Sequence[IntArray] = (),
) -> MovedAssignment:
    """The best images and motions for every slot of every encoding.

    Args:
        of_class: images of each class.
        target: slots per image where all images are known to be used equally often.
        fewer: smaller numbers of images of each class that there may be, falling; taken where that costs little.
    """
    if observed.slots.count == 2:
        return _jointly(observed, of_class, target, fewer)
    return _in_turn(observed, of_class)


def _best(
    observed: Moved, rest: Tensor, rows: Tensor, slot: int, ids: Tensor, count: int, handicap: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Of images `ids` of one class, the `count` best ones for a slot: ids, motions and scores (r, count).

    Args:
        rest: (r, D) what the other slots leave of the encodings `rows`.
        handicap: (r,) what the present choice must be better by.
    """
    moves = len(observed.motions)
    every = torch.arange(moves, device=rest.device).repeat(len(ids))
    copies = torch.cat(
        [observed.seen(i, m) for i, m in zip(ids.repeat_interleave(moves).split(2048), every.split(2048))]
    )
    energy = copies.square().sum(1) / 2
    mass = observed.mass[rows, slot, None]
    member, motion = observed.mixing.members[rows, slot], observed.mixing.moved[rows, slot]
    place = torch.searchsorted(ids, member.clamp_min(0)).clamp_max(len(ids) - 1)
    present = ids[place] == member
    out: list[tuple[Tensor, Tensor, Tensor]] = []
    for part in torch.arange(len(rows), device=rest.device).split(_ROWS):
        score = mass[part] * (rest[part] @ copies.T) - mass[part] ** 2 * energy
        score = score.view(len(part), len(ids), moves)
        own = torch.nonzero(present[part])[:, 0]
        score[own, place[part][own], motion[part][own]] -= handicap[part][own]
        value, moved = score.max(2)
        value, at = value.topk(min(count, len(ids)), dim=1)
        out.append((ids[at], moved.gather(1, at), value))
    a, b, c = (torch.cat(p) for p in zip(*out))
    return a, b, c


def handicaps(observed: Moved) -> Tensor:
    """float32 (E, s): the energy of its own noise that the present choice of a slot explains."""
    share = observed.leverage()
    return share / (1 - share) * observed.noise[:, None] * len(observed.keep)


def spare(
    choice: Tensor, value: Tensor, of_class: Sequence[IntArray], numbers: IntArray, kept: Tensor
) -> tuple[Tensor, float]:
    """Which images to keep of each class where there are fewer, and what the others are worth.

    An image is worth what the slots that it suits best would lose with their next best.  Where one was found twice
    over, its halves are worth little until one of them has gone; images that fit nothing never are.

    Args:
        choice: int64 (n, m), images that suit each slot, -1 for none; value: float (n, m), by how many nats.
        numbers: how many to keep of each class.
        kept: bool (N,), those that are there.

    Returns:
        bool (N,), those that stay, and the mean worth of an image that goes (as it goes), as a share of that of one
        that stays.
    """
    count, kept = len(kept), kept.clone()
    stay = torch.zeros(count)
    label = torch.full((count + 1,), -1)
    for c, ids in enumerate(of_class):
        label[torch.from_numpy(ids)] = c
    gone: list[float] = []
    for c, (ids, number) in enumerate(zip(of_class, numbers)):
        own = torch.from_numpy(ids)
        rows = label[choice[:, 0]] == c
        some, nats = choice[rows], value[rows].clamp_min(0.0)
        while True:
            fits = torch.where((some >= 0) & kept[some.clamp_min(0)], nats, 0.0)
            best, at = torch.cat([fits, torch.zeros(len(fits), 1)], 1).topk(2)
            owner = torch.cat([some, torch.full((len(some), 1), -1)], 1).gather(1, at[:, :1])[:, 0]
            owned = owner >= 0
            worth = torch.zeros(count).index_add_(0, owner[owned], (best[:, 0] - best[:, 1])[owned])
            left = own[kept[own]]
            if len(left) <= max(int(number), 1):
                break
            least = left[worth[left].argmin()]
            gone.append(float(worth[least]))
            kept[least] = False
        stay += worth
    worth_staying = float(stay[kept].mean())
    return kept, float(np.mean(gone)) / max(worth_staying, 1e-9) if gone else 1.0


def _jointly(
    observed: Moved, of_class: Sequence[IntArray], target: float | None, fewer: Sequence[IntArray]
) -> MovedAssignment:
    slots, mixing = observed.slots, observed.mixing
    device, count = observed.observed.device, len(observed.observed)
    label = torch.from_numpy(slots.label).to(device)
    size = max(1, min(SHORT_LIST, max((len(ids) for ids in of_class), default=1)))
    choice = torch.full((count, 2, size), -1, dtype=torch.int64, device=device)
    motion = torch.zeros_like(choice)
    alone = torch.full((count, 2, size), _FORBIDDEN, device=device)
    handicap = handicaps(observed)

    def one(job: tuple[int, int]) -> None:
        slot, c = job
        rows, ids = torch.nonzero(label[:, slot] == c)[:, 0], torch.from_numpy(of_class[c]).to(device)
        if not len(rows) or not len(ids):
            return
        found, moved, value = _best(observed, observed.observed[rows], rows, slot, ids, size, handicap[rows, slot])
        choice[rows, slot, : found.shape[1]] = found
        motion[rows, slot, : found.shape[1]] = moved
        alone[rows, slot, : found.shape[1]] = value

    run_jobs(one, [(slot, c) for slot in range(2) for c in range(len(of_class))], device)
    shared = torch.from_numpy(slots.shared).to(device)
    kept = torch.ones(mixing.unknowns, dtype=torch.bool, device=device)
    worth: list[float] = []
    for numbers in fewer:
        nats = alone * (TEMPER / observed.noise)[:, None, None]
        left, share = spare(choice.flatten(0, 1), nats.flatten(0, 1), of_class, numbers, kept)
        worth.append(share)
        if share > SPARE:
            break
        kept = left
    if not bool(kept.all()):
        gone = (choice < 0) | ~kept[choice.clamp_min(0)]
        choice, alone = choice.masked_fill(gone, -1), alone.masked_fill(gone, _FORBIDDEN)
        target = None if target is None else target * len(kept) / int(kept.sum())

    def block(rows: Tensor) -> Pairs:
        known, moved = choice[rows].clamp_min(0), motion[rows]
        copies = observed.seen(known.flatten(), moved.flatten()).view(len(rows), 2, size, -1)
        cross = torch.bmm(copies[:, 0], copies[:, 1].mT)
        mass = observed.mass[rows]
        first, second = mass[:, 0, None, None], mass[:, 1, None, None]
        score = alone[rows, 0, :, None] + alone[rows, 1, None] - first * second * cross
        part = first.expand_as(score).clone()
        both = torch.nonzero(shared[rows])[:, 0]
        if len(both):
            energy = copies[both].square().sum(3)
            dots = torch.einsum("nd,nsjd->nsj", observed.observed[rows[both]], copies[both])
            pairs = (dots[:, 0, :, None], dots[:, 1, None], energy[:, 0, :, None], energy[:, 1, None], cross[both])
            total = mass[both].sum(1)[:, None, None]
            part[both], score[both] = split_products(*pairs, total, least=LEAST)
        score = score * (TEMPER / observed.noise[rows])[:, None, None]
        score = score.masked_fill((choice[rows, 0, :, None] < 0) | (choice[rows, 1, None] < 0), _FORBIDDEN)
        return Pairs(rows, choice[rows, 0], choice[rows, 1], score, part)

    blocks = run_jobs(block, list(torch.arange(count, device=device).split(256)), device)
    found = choose_pairs(blocks, slots, mixing.unknowns, target)
    members = torch.from_numpy(found.members).to(device)
    at = (choice == members[:, :, None]).int().argmax(2, keepdim=True)
    needed = torch.nonzero(kept)[:, 0].cpu().numpy()
    return MovedAssignment(found, motion.gather(2, at)[:, :, 0], needed, tuple(worth))


def _in_turn(observed: Moved, of_class: Sequence[IntArray]) -> MovedAssignment:
    """Each slot takes its best image and motion given the others, in turn."""
    slots, mixing = observed.slots, observed.mixing
    device = observed.observed.device
    label = torch.from_numpy(slots.label).to(device)
    members, moved = mixing.members.clone(), mixing.moved.clone()
    certainty = torch.ones(len(members), device=device)
    handicap = handicaps(observed)
    left = observed.observed.clone()

    def holds(rows: Tensor, slot: int) -> Tensor:
        amount = torch.where(members[rows, slot] >= 0, observed.mass[rows, slot], 0.0)
        return amount[:, None] * observed.seen(members[rows, slot].clamp_min(0), moved[rows, slot])

    every = torch.arange(len(members), device=device)
    for slot in range(slots.count):
        for rows in every.split(_ROWS):
            left[rows] -= holds(rows, slot)
    for sweep in range(SWEEPS):
        for slot in range(slots.count):
            for c, own in enumerate(of_class):
                rows = torch.nonzero((label[:, slot] == c) & (observed.mass[:, slot] > 0))[:, 0]
                ids = torch.from_numpy(own).to(device)
                if not len(rows) or not len(ids):
                    continue
                rest = left[rows] + holds(rows, slot)
                given = handicap[rows, slot] if sweep == 0 else torch.zeros(len(rows), device=device)
                found, motion, value = _best(observed, rest, rows, slot, ids, len(ids), given)
                sure = torch.softmax(value * (TEMPER / observed.noise[rows])[:, None], 1)[:, 0]
                members[rows, slot], moved[rows, slot] = found[:, 0], motion[:, 0]
                certainty[rows] = torch.minimum(certainty[rows], sure)
                left[rows] = rest - holds(rows, slot)
    assignment = Assignment(members.cpu().numpy(), slots.mass.copy(), certainty.cpu().numpy())
    return MovedAssignment(assignment, moved, np.arange(mixing.unknowns))


def small_steps(shape: Shape, *, turn: bool) -> Tensor:
    """Changes of motions, float32 (n, 2, 3), that move the border by a pixel: none, shifts, and turns or stretches."""
    half = (min(shape[1:]) - 1) / 2
    basis = [[[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]
    if turn:
        basis += [[[0.0, 1 / half, 0.0], [-1 / half, 0.0, 0.0]]]
    else:
        basis += [[[1 / half, 0.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1 / half, 0.0]]]
    steps = torch.tensor(basis)
    return torch.cat([torch.zeros(1, 2, 3), steps, -steps])


def settled(observed: Moved, *, spacing: float, turn: bool) -> Motions:
    """Motions of all slots, each moved a little where that explains its encoding better; a list of E * s.

    Args:
        observed: with the motions that are near.
        spacing: pixels at the border between neighbouring motions of their list.
        turn: angles are tried, else stretches along each axis.
    """
    mixing, shape = observed.mixing, observed.shape
    count, slots = mixing.members.shape
    theta = mixing.motions.theta[mixing.moved.flatten()].clone().view(count, slots, 2, 3)
    steps = small_steps(shape, turn=turn)

    def block(rows: Tensor) -> None:
        for size in (0.4 * spacing, 0.2 * spacing, 0.1 * spacing):
            for slot in range(slots):
                copies = []
                for other in range(slots):
                    amount = torch.where(mixing.members[rows, other] >= 0, observed.mass[rows, other], 0.0)
                    if other != slot:
                        here = Motions(theta[rows, other], shape, mixing.motions.fill)
                        copies.append(amount[:, None] * observed.under(mixing.members[rows, other].clamp_min(0), here))
                left = observed.observed[rows] - sum(copies, torch.zeros_like(observed.observed[rows]))
                mass = observed.mass[rows, slot]
                scores = []
                for step in steps:
                    here = Motions(theta[rows, slot] + size * step, shape, mixing.motions.fill)
                    copy = observed.under(mixing.members[rows, slot].clamp_min(0), here)
                    scores.append(mass * (left * copy).sum(1) - mass**2 * copy.square().sum(1) / 2)
                score = torch.stack(scores) * (TEMPER / observed.noise[rows])
                best, at = score.max(0)
                theta[rows, slot] += size * torch.where((best - score[0] > SURE)[:, None, None], steps[at], 0.0)

    run_jobs(block, list(torch.arange(count, device=theta.device).split(_ROWS)), theta.device)
    return Motions(theta.flatten(0, 1), shape, mixing.motions.fill)


def centred(motions: Motions, mixing: MovedMixing, *, turn: bool) -> tuple[Motions, Motions]:
    """Motions of all slots (E * s) about poses in which each image's copies are moved by nothing on average.

    Motions are as large one way as the other, so that the middle of an image's copies is where it was.

    Returns:
        The motions, and (N,) those that take the images there.
    """
    weight = torch.where(mixing.members >= 0, mixing.coefficients, 0.0).flatten() ** 2
    ids = mixing.members.clamp_min(0).flatten()
    about, mean = about_mean(motions.theta, ids, weight, mixing.unknowns, turn=turn)
    return replace(motions, theta=about), replace(motions, theta=mean)


def copies_of(observed: Moved, of_class: Sequence[IntArray], *, spacing: float, turn: bool) -> IntArray:
    """Which images are one and the same in another pose: int64 (N,), for each the first of its class that is.

    Where images move, one may be found several times over, in the poses that most of its copies have.  In the whitened
    space two different photographs have little in common under any motion; how much, images of different classes show,
    which are different for certain.

    Args:
        spacing, turn: as for `settled`; motions between those of the list are tried for what has anything in common.
    """
    count, motions = observed.mixing.unknowns, observed.motions
    first = np.arange(count)
    label = torch.zeros(count, dtype=torch.int64)
    for c, own in enumerate(of_class):
        label[torch.from_numpy(own)] = c
    if count < 3:
        return first
    # about their mean colour, which lies beyond the border too: black borders are alike in all images
    bare = replace(motions, fill=None if motions.fill is None else 0.0)
    channels = observed.images[:count].view(count, motions.shape[0], -1)
    plain = (channels - channels.mean((0, 2), keepdim=True)).reshape(count, -1)
    here = _unit(observed.coefficients(plain) * observed.gain)
    alike, motion = torch.zeros(count, count), torch.zeros(count, count, dtype=torch.int64)
    for k in range(count):
        alike[k], motion[k] = (_unit(observed.copies(plain[k], bare)) @ here.T).max(0)
    others = label[:, None] != label[None]
    null = float(alike[others].max()) if bool(others.any()) else 0.0
    within = ~others & ~torch.eye(count, dtype=torch.bool)
    i, j = torch.nonzero(within & (alike > null) & (alike <= ALIKE), as_tuple=True)
    if len(i) and not motions.whole:
        alike[i, j] = _nearer(observed, plain[i], here[j], motions.theta[motion[i, j]], spacing, turn)
    alike = torch.maximum(alike, alike.T).masked_fill(~within, -1.0)
    best = alike.argmax(1)
    for k in range(count):
        other = int(best[k])
        # each the one that the other is most like
        if other < k and int(best[other]) == k and float(alike[k, other]) > max(ALIKE, null + ABOVE):
            first[k] = other
    return first


def _unit(x: Tensor) -> Tensor:
    unit: Tensor = x / x.norm(dim=1, keepdim=True).clamp_min(1e-9)
    return unit


def _nearer(observed: Moved, images: Tensor, here: Tensor, theta: Tensor, spacing: float, turn: bool) -> Tensor:
    """The correlation (n,) of images under motions near `theta` (n, 2, 3) with whitened unit rows `here` (n, D)."""
    best = torch.full((len(images),), -1.0)
    fill = None if observed.motions.fill is None else 0.0
    every = torch.arange(len(images))
    for size in (0.5, 0.5, 0.3, 0.3, 0.15):
        scores = []
        steps = small_steps(observed.shape, turn=turn) * size * spacing
        for step in steps:
            moved = Motions(theta + step, observed.shape, fill).move(images, every)
            scores.append((_unit(observed.coefficients(moved) * observed.gain) * here).sum(1))
        best, at = torch.stack(scores).max(0)
        theta = theta + steps[at]
    return best
