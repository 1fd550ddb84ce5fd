"""Which reconstructions an encoding contains, from its unmasked mixture: a linear model in a whitened space.

z_i = sum_s lam_is a_c(i,s) + share_i u + noise, so the log-likelihood of a choice needs only the products <z_i, a> and
<a, b>.  Each slot keeps its best few images by itself; all combinations of two slots' short lists are then compared, so
the cost grows with encodings x images of a class, never with pairs of images.  Judged by images made without the
encoding (folds), since a least-squares image contains a share of the noise of each of its own encodings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.pairing import SPLITS, TEMPER, Assignment
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.squares import dct

Shape = tuple[int, int, int]
IntArray = NDArray[np.int64]

#: images that each slot keeps for the joint comparison
SHORT_LIST = 12


@dataclass(frozen=True, eq=False)
class LinearWhitening:
    """gain float32 (D,): regression of the mixture on its prediction; scale float32 (D,): 1 / deviation of the rest."""

    gain: Tensor
    scale: Tensor


def fit_linear_whitening(
    mixtures: Tensor, predicted: Tensor, noise: Tensor, shape: Shape, *, batch: int = 1024
) -> LinearWhitening:
    """From float32 (n, P) expected mixtures, their predictions by images made without them, and variances (n,)."""
    moments = torch.zeros(3, 0)
    for i in range(0, len(mixtures), batch):
        level = noise[i : i + batch, None].sqrt()
        seen, told = dct(mixtures[i : i + batch] / level, shape), dct(predicted[i : i + batch] / level, shape)
        part = torch.stack([(seen**2).sum(0), (seen * told).sum(0), (told**2).sum(0)])
        moments = part if moments.shape[1] == 0 else moments + part
    m0, m1, m2 = moments / len(mixtures)
    gain = (m1 / m2.clamp_min(1e-9)).clamp(0, 1)
    deviation = (m0 - 2 * gain * m1 + gain**2 * m2).clamp_min(1e-10).sqrt()
    return LinearWhitening(gain, 1 / deviation.clamp_min(1e-4 * float(deviation.max())))


def assign_signed(
    signs: Tensor,
    values: Tensor,
    slots: Slots,
    images: Sequence[Tensor],
    noise: Tensor,
    whitening: LinearWhitening,
    of_class: Sequence[IntArray],
    members: IntArray,
    shape: Shape,
    *,
    target: float | None = None,
    batch: int = 2048,
) -> Assignment:
    """The best images for every slot of every encoding.

    Args:
        signs: float16 (E, P) expected signs; values: float32 (E, P) magnitudes.
        images: float32 (N + 1, P) per fold; encoding i is judged by images[i mod folds].
        noise: float32 (E,) variances.
        members: int64 (E, s) the present choice, where more than two slots are settled one after the other.
        target: slots per image where all images are known to be used equally often.
    """
    device = values.device
    folds = len(images)
    n = len(images[0]) - 1

    def fold(f: int) -> _Lists:
        return _short_lists(signs, values, slots, images[f], noise, whitening, of_class, shape, f, folds, batch)

    lists = run_jobs(fold, list(range(folds)), device)
    offset = torch.zeros(n, device=device)
    if slots.count == 2:
        blocks = [_pairs(part, slots) for part in lists]
        if target is not None:
            for _ in range(12):
                counts = torch.zeros(n, device=device)
                for b in blocks:
                    p = torch.softmax(b.tilted(offset), 1)
                    for ids in (b.first, b.second):
                        counts.index_add_(0, ids.flatten(), p.flatten())
                offset += 0.7 * torch.log(target / counts.clamp_min(1e-3))
                offset.clamp_(-50, 50)
        return _decide(blocks, slots, offset)
    return _one_by_one(lists, slots, members)


@dataclass(frozen=True, eq=False)
class _Lists:
    """For the rows of one fold: short lists per slot int64 (n, s, S) (-1: none), products with them, and <a, b>."""

    rows: Tensor
    choice: Tensor
    dots: Tensor
    weight: Tensor
    inner: Tensor


def _short_lists(
    signs: Tensor,
    values: Tensor,
    slots: Slots,
    images: Tensor,
    noise: Tensor,
    whitening: LinearWhitening,
    of_class: Sequence[IntArray],
    shape: Shape,
    fold: int,
    folds: int,
    batch: int,
) -> _Lists:
    device = values.device
    rows = torch.arange(fold, len(values), folds, device=device)
    told = dct(images, shape) * (whitening.gain * whitening.scale)
    base, mean = told[:-1], told[-1]
    inner = base @ base.T
    energy = inner.diagonal()
    longest = max((len(ids) for ids in of_class), default=1)
    size = max(1, min(SHORT_LIST, longest))
    mass = torch.from_numpy(slots.mass).to(device)
    label = torch.from_numpy(slots.label).to(device)
    choice = torch.full((len(rows), slots.count, size), -1, dtype=torch.long, device=device)
    dots = torch.zeros(len(rows), slots.count, size, device=device)
    weight = TEMPER / noise[rows]
    for i in range(0, len(rows), batch):
        part = rows[i : i + batch]
        share = 1 - mass[part].sum(1)
        seen = dct(signs[part].float() * values[part], shape) * whitening.scale - share[:, None] * mean
        products = seen @ base.T
        for c, ids in enumerate(of_class):
            if not len(ids):
                continue
            candidates = torch.from_numpy(ids).to(device)
            for slot in range(slots.count):
                mine = torch.nonzero(label[part, slot] == c)[:, 0]
                if not len(mine):
                    continue
                lam = mass[part[mine], slot, None]
                own = products[mine][:, candidates]
                marginal = lam * own - lam**2 * energy[candidates] / 2
                best = marginal.topk(min(size, len(ids)), dim=1).indices
                choice[i + mine, slot, : best.shape[1]] = candidates[best]
                dots[i + mine, slot, : best.shape[1]] = own.gather(1, best)
    return _Lists(rows, choice, dots, weight, inner)


@dataclass(frozen=True, eq=False)
class _Pairs:
    rows: Tensor
    first: Tensor
    second: Tensor
    score: Tensor
    split: Tensor

    def tilted(self, offset: Tensor) -> Tensor:
        return self.score + offset[self.first] + offset[self.second]


def _pairs(lists: _Lists, slots: Slots) -> _Pairs:
    """All combinations of two short lists: scores float32 (n, S*S); the split of the label's mass where shared."""
    device = lists.dots.device
    mass = torch.from_numpy(slots.mass).to(device)[lists.rows]
    a, b = lists.choice[:, 0, :, None], lists.choice[:, 1, None, :]
    invalid = ((a < 0) | (b < 0)).flatten(1)
    a, b = torch.broadcast_tensors(a.clamp_min(0), b.clamp_min(0))
    energy = lists.inner.diagonal()
    cross = lists.inner[a, b]
    shared = torch.from_numpy(slots.shared).to(device)[lists.rows]

    def gain(l1: Tensor, l2: Tensor, pick: Tensor) -> Tensor:
        l1, l2 = l1[:, None, None], l2[:, None, None]
        linear = l1 * lists.dots[pick, 0, :, None] + l2 * lists.dots[pick, 1, None, :]
        power = (l1**2 * energy[a[pick]] + l2**2 * energy[b[pick]]) / 2 + l1 * l2 * cross[pick]
        return lists.weight[pick, None, None] * (linear - power)

    everything = torch.arange(len(lists.rows), device=device)
    score = gain(mass[:, 0], mass[:, 1], everything)
    split = torch.full_like(score, 0.5)
    some = torch.nonzero(shared)[:, 0]
    if len(some):
        total = mass[some].sum(1)
        best = torch.full_like(score[some], -torch.inf)
        share = torch.full_like(best, 0.5)
        for larger in SPLITS:
            trial = gain(total * larger, total * (1 - larger), some)
            better = trial > best
            best = torch.where(better, trial, best)
            share = torch.where(better, torch.full_like(share, larger), share)
        score[some], split[some] = best, share
    flat = score.flatten(1).masked_fill(invalid, -1e9)
    return _Pairs(lists.rows, a.flatten(1), b.flatten(1), flat, split.flatten(1))


def _decide(blocks: Sequence[_Pairs], slots: Slots, offset: Tensor) -> Assignment:
    members = np.full((len(slots.label), 2), -1, dtype=np.int64)
    mass = slots.mass.copy()
    certainty = np.zeros(len(members), dtype=np.float32)
    for b in blocks:
        posterior = torch.softmax(b.tilted(offset), 1)
        value, j = posterior.max(1)
        rows = b.rows.cpu().numpy()
        possible = b.score.max(1).values > -1e8
        for slot, ids in enumerate((b.first, b.second)):
            chosen = ids.gather(1, j[:, None])[:, 0]
            members[rows, slot] = torch.where(possible, chosen, -1).cpu().numpy()
        certainty[rows] = torch.where(possible, value, 0).cpu().numpy()
        larger = b.split.gather(1, j[:, None])[:, 0].cpu().numpy()
        here = slots.shared[rows]
        total = slots.mass[rows].sum(1)
        mass[rows[here], 0] = (total * larger)[here]
        mass[rows[here], 1] = (total * (1 - larger))[here]
    return Assignment(members, mass.astype(np.float32), certainty)


def _one_by_one(lists: Sequence[_Lists], slots: Slots, members: IntArray, *, sweeps: int = 3) -> Assignment:
    """Any number of slots: each takes its best image given the others, in turn."""
    members = members.copy()
    certainty = np.ones(len(members), dtype=np.float32)
    for part in lists:
        device = part.dots.device
        rows = part.rows.cpu().numpy()
        mass = torch.from_numpy(slots.mass).to(device)[part.rows]
        # an undecided slot starts at its own best
        now = torch.from_numpy(members[rows]).to(device)
        now = torch.where(now >= 0, now, part.choice[:, :, 0])
        energy = part.inner.diagonal()
        sure = torch.ones(len(rows), device=device)
        for sweep in range(sweeps):
            for slot in range(slots.count):
                ids = part.choice[:, slot]
                known = ids.clamp_min(0)
                lam = mass[:, slot, None]
                rest = torch.zeros_like(part.dots[:, slot])
                for other in range(slots.count):
                    if other != slot:
                        there = now[:, other, None]
                        present = mass[:, other, None] * (there >= 0)
                        rest += present * part.inner[there.clamp_min(0), known]
                score = part.weight[:, None] * (lam * (part.dots[:, slot] - rest) - lam**2 * energy[known] / 2)
                posterior = torch.softmax(score.masked_fill(ids < 0, -1e9), 1)
                value, j = posterior.max(1)
                now[:, slot] = ids.gather(1, j[:, None])[:, 0]
                if sweep == sweeps - 1:
                    sure = torch.where(now[:, slot] >= 0, torch.minimum(sure, value), sure)
        members[rows] = now.cpu().numpy()
        certainty[rows] = sure.cpu().numpy()
    return Assignment(members, slots.mass.copy(), certainty)
