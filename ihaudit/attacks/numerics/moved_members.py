"""Which images an encoding holds, and how each was moved, from all images under all motions and what the labels say.

As `members.Linear`, each image standing for all its moved copies.  The present choice explains a share of the
encoding's own noise, since the images were made of it; that share (its leverage) is taken off, which does what judging
by images made without the encoding does there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ihaudit.attacks.numerics.labels import IntArray, Slots
from ihaudit.attacks.numerics.members import LEAST, TEMPER, Assignment, Pairs, Whitening, choose_pairs, split_products
from ihaudit.attacks.numerics.moved_mixing import MovedMixing
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.transforms import dct, low_frequencies

#: images that each slot keeps for the joint comparison
SHORT_LIST = 6
#: sweeps over the slots, where there are more than two
SWEEPS = 1
_ROWS, _MOMENTS = 512, 5000
_FORBIDDEN = -1e9


@dataclass(frozen=True, eq=False)
class MovedAssignment:
    """An `Assignment`, and moved: int64 (E, s), the motion in each slot."""

    found: Assignment
    moved: Tensor


class Moved:
    """Unmasked mixtures and images under all motions, whitened."""

    def __init__(self, signs: Tensor, values: Tensor, noise: Tensor, images: Tensor, mixing: MovedMixing, slots: Slots):
        """`signs` (E, P) of the magnitudes `values`; `noise` (E,) variances; `images` (N + 1, P); `mixing` as known."""
        self.images, self.mixing, self.slots, self.noise = images, mixing, slots, noise
        self.mass = torch.from_numpy(slots.mass).to(values.device)
        self.motions, self.shape = mixing.motions, mixing.motions.shape
        self.keep = low_frequencies(self.shape).to(values.device)
        count = len(values)
        decided = torch.nonzero((mixing.members >= 0).all(1))[:, 0]
        sample = decided[:: max(1, len(decided) // _MOMENTS)]
        moments: list[Tensor] = []
        for part in sample.split(_ROWS):
            level = noise[part, None].sqrt()
            some = mixing.some(part)
            y = self._coefficients((signs[part].float() * values[part] - some.share[:, None] * images[-1]) / level)
            z = self._coefficients((some.forward(images, slice(None)) - some.share[:, None] * images[-1]) / level)
            moments.append(torch.stack([(y**2).sum(0), (y * z).sum(0), (z**2).sum(0)]))
        self.whitening = Whitening.of(*torch.stack(moments).sum(0) / max(1, len(sample)))
        self.gain = self.whitening.gain / self.whitening.deviation
        self.observed = torch.empty(count, len(self.keep), device=values.device)
        for i in range(0, count, _ROWS):
            rows = slice(i, i + _ROWS)
            y = signs[rows].float() * values[rows] - mixing.share[rows, None] * images[-1]
            self.observed[rows] = self._coefficients(y) / self.whitening.deviation

    def _coefficients(self, x: Tensor) -> Tensor:
        return dct(x, self.shape)[:, self.keep]

    def seen(self, ids: Tensor, moved: Tensor) -> Tensor:
        """Whitened copies (n, D) of images under motions, both int64 (n,)."""
        return self._coefficients(self.motions.move(self.images[ids], moved)) * self.gain

    def leverage(self) -> Tensor:
        """float32 (E, s): the share of its own noise that the present choice of a slot explains."""
        members = self.mixing.members
        own = torch.where(members >= 0, self.mixing.coefficients**2, 0.0) / self.noise[:, None]
        total = torch.zeros(self.mixing.unknowns, device=own.device)
        total.index_add_(0, members.clamp_min(0).flatten(), own.flatten())
        share: Tensor = (own / total[members.clamp_min(0)].clamp_min(1e-6)).clamp_max(0.5)
        return share


def assign_moved(observed: Moved, of_class: Sequence[IntArray], *, target: float | None = None) -> MovedAssignment:
    """The best images and motions for every slot of every encoding.

    Args:
        of_class: images of each class.
        target: slots per image where all images are known to be used equally often.
    """
    if observed.slots.count == 2:
        return _jointly(observed, of_class, target)
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


def _handicap(observed: Moved) -> Tensor:
    """float32 (E, s): the energy of its own noise that the present choice of a slot explains."""
    share = observed.leverage()
    return share / (1 - share) * observed.noise[:, None] * observed.observed.shape[1]


def _jointly(observed: Moved, of_class: Sequence[IntArray], target: float | None) -> MovedAssignment:
    slots, mixing = observed.slots, observed.mixing
    device, count = observed.observed.device, len(observed.observed)
    label = torch.from_numpy(slots.label).to(device)
    size = max(1, min(SHORT_LIST, max((len(ids) for ids in of_class), default=1)))
    choice = torch.full((count, 2, size), -1, dtype=torch.int64, device=device)
    motion = torch.zeros_like(choice)
    alone = torch.full((count, 2, size), _FORBIDDEN, device=device)
    handicap = _handicap(observed)

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
    return MovedAssignment(found, motion.gather(2, at)[:, :, 0])


def _in_turn(observed: Moved, of_class: Sequence[IntArray]) -> MovedAssignment:
    """Each slot takes its best image and motion given the others, in turn."""
    slots, mixing = observed.slots, observed.mixing
    device = observed.observed.device
    label = torch.from_numpy(slots.label).to(device)
    members, moved = mixing.members.clone(), mixing.moved.clone()
    certainty = torch.ones(len(members), device=device)
    handicap = _handicap(observed)
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
    return MovedAssignment(assignment, moved)
