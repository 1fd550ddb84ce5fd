"""Which private images an encoding holds, given reconstructions of all of them and what the labels say.

In a whitened space an observation is its prediction plus noise that is white but for its level, so every choice of
members has a likelihood.  The observation is linear in the images where signs are known or expected (`Linear`,
`Products`), and quadratic where only magnitudes are (`Squares`): a plain sum of pixel likelihoods is overconfident
there and makes an assignment worse, because errors of reconstructions and public images are spatially correlated.

For two slots all pairs that a label allows are compared (`assign`), with all images used equally often where that is
known; for more, each slot takes its best image given the others in turn (`conditional_modes`).  Where two images share
a class, the label gives the sum of their coefficients only, and the split is fitted with the pair.

Encodings are judged by images made without them (folds), since a least-squares image contains a share of the noise of
each of its own encodings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.em import summed
from ihaudit.attacks.numerics.labels import IntArray, Slots
from ihaudit.attacks.numerics.mixing import DENSE_COLUMNS, Mixing
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.scratch import hand_back_pages
from ihaudit.attacks.numerics.transforms import Shape, dct

#: shares of the larger of two images of one class that are tried where no closed form says which is best
SPLITS = (0.5, 0.56, 0.62, 0.68, 0.74, 0.8, 0.86, 0.92, 0.97)
#: likelihoods are multiplied by this: neighbouring DCT coefficients are not quite independent
TEMPER = 0.5
#: least share of the weight of two images of one class that either has: with less, any image will do
LEAST = 1 - SPLITS[-1]
#: images that each slot keeps for the joint comparison of linear observations
SHORT_LIST = 12
#: pairs of two classes that are compared by their squares; beyond, each slot is placed given the others
MAX_PAIRS = 4000
#: images of one class up to which all pairs are tried for encodings that hold two of them
MAX_CLASS = 128
#: encodings from which a whitening is estimated
MOMENTS = 20_000
_BATCH = 2048
_PAIR_VALUES = 1_000_000  # encodings x pairs compared at once
#: score of a choice that no label allows
FORBIDDEN = -1e9


@dataclass(frozen=True, eq=False)
class Assignment:
    """members int64 (E, s), -1 for none; coefficients float32 (E, s); certainty float32 (E,), their posterior."""

    members: IntArray
    coefficients: NDArray[np.float32]
    certainty: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Whitening:
    """How observed coefficients relate to predicted ones.

    Attributes:
        gain: float32 (D,) regression of the observed on the predicted coefficient: below 1 where images are noisy.
        deviation: float32 (D,) of what is left, in units of the encoding's noise level.
    """

    gain: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, observed: Tensor, product: Tensor, predicted: Tensor) -> Whitening:
        """From mean squares and products float32 (D,) of observed and predicted coefficients at unit noise."""
        gain = (product / predicted.clamp_min(1e-12)).clamp(0, 1)
        deviation = (observed - 2 * gain * product + gain**2 * predicted).clamp_min(0).sqrt()
        return cls(gain, deviation.clamp_min(1e-4 * float(deviation.max()) + 1e-12))


class Observation(Protocol):
    """Some encodings, whitened, and a set of images."""

    def scores(self, rows: Tensor, slot: int, ids: Tensor, mass: Tensor, members: Tensor) -> Tensor:
        """Log-likelihoods float32 (r, n), up to a constant per row, of images `ids` (n,) in a slot of `rows` (r,).

        The other slots hold `members` int64 (E, s) with coefficients `mass` float32 (E, s).
        """
        ...


@dataclass(frozen=True, eq=False)
class Products:
    """An observation z that is linear in the images: its inner products are all that is needed.

    Attributes:
        dots: (E, N), <z, a> for every image a.
        gram: (N, N), <a, b>.
        precision: (E,), inverse noise variance.
    """

    dots: Tensor
    gram: Tensor
    precision: Tensor

    def remaining(self, rows: Tensor, ids: Tensor, mass: Tensor, members: Tensor, slots: Sequence[int]) -> Tensor:
        """(r, n): <z - what the slots other than `slots` hold, a> for the images `ids`."""
        rest = self.dots[rows[:, None], ids[None]]
        for other in range(members.shape[1]):
            if other not in slots:
                member = members[rows, other]
                amount = torch.where(member >= 0, mass[rows, other], torch.zeros_like(mass[rows, other]))
                rest = rest - amount[:, None] * self.gram[member.clamp_min(0)[:, None], ids[None]]
        return rest

    def scores(self, rows: Tensor, slot: int, ids: Tensor, mass: Tensor, members: Tensor) -> Tensor:
        """See `Observation`."""
        lam = mass[rows, slot, None]
        rest = self.remaining(rows, ids, mass, members, (slot,))
        return self.precision[rows, None] * (lam * rest - lam**2 * self.gram.diagonal()[ids] / 2)


def conditional_modes(
    observed: Observation,
    label: Tensor,
    mass: Tensor,
    members: Tensor,
    of_class: Sequence[IntArray],
    *,
    sweeps: int,
    handicap: Tensor | None = None,
    undecided: bool = True,
) -> tuple[Tensor, Tensor]:
    """Each slot in turn takes its best image given the others (iterated conditional modes, Besag 1986).

    Args:
        label: int64 (E, s), class in each slot, -1 for an unused one; mass: (E, s) coefficients.
        members: int64 (E, s) to begin with, -1 for none.
        of_class: images of each class.
        sweeps: over all slots.
        handicap: (E,) log-likelihood that the present member of a slot must be better by than any other.
        undecided: slots without a member to begin with count for the others as soon as they have one; else not at all.

    Returns:
        Members, and the least posterior (E,) of those chosen in the last sweep.
    """
    members = members.clone()
    certainty = torch.ones(len(members), device=members.device)
    held = mass if undecided else torch.where(members >= 0, mass, torch.zeros_like(mass))
    for sweep in range(sweeps):
        for slot in range(members.shape[1]):
            amount = held.clone()
            amount[:, slot] = mass[:, slot]
            for c, ids in enumerate(of_class):
                rows = torch.nonzero((label[:, slot] == c) & (mass[:, slot] > 0))[:, 0]
                if not len(rows) or not len(ids):
                    continue
                index = torch.from_numpy(ids).to(members.device)
                score = observed.scores(rows, slot, index, amount, members)
                if handicap is not None:
                    present = members[rows, slot, None] == index[None]
                    score = torch.where(present, score - handicap[rows, None].to(score.dtype), score)
                value, at = torch.softmax(score, 1).max(1)
                members[rows, slot] = index[at]
                if sweep == sweeps - 1:
                    certainty[rows] = torch.minimum(certainty[rows], value.to(certainty.dtype))
    return members, certainty


def split_shared(
    observed: Products, label: Tensor, mass: Tensor, members: Tensor, of_class: Sequence[IntArray], *, margin: float = 0
) -> tuple[Tensor, Tensor]:
    """The best pair of images of one class and split of their weight, where a label holds fewer classes than slots.

    A slot is free where it is unused or of the class of an earlier one; it takes over a part of the weight of that
    earlier slot which explains most.

    Args:
        label, mass, members, of_class: as for `conditional_modes`.
        margin: log-likelihood by which another pair must be better than the present one.

    Returns:
        Members and coefficients.
    """
    members, mass = members.clone(), mass.clone()
    for free in range(1, members.shape[1]):
        best = torch.full_like(mass[:, 0], -torch.inf)
        choice, weight = members.clone(), mass.clone()
        for slot in range(free):
            for c, ids in enumerate(of_class):
                open_ = (label[:, slot] == c) & ((label[:, free] == c) | (label[:, free] < 0))
                open_ &= mass[:, slot] + mass[:, free] > 0  # a split that gave one of them all is open again
                if not 1 <= len(ids) <= MAX_CLASS or not bool(open_.any()):
                    continue
                index = torch.from_numpy(ids).to(members.device)
                rows = torch.nonzero(open_)[:, 0]
                for part in rows.split(max(1, 2 * _PAIR_VALUES // (len(ids) * (len(ids) + 1)))):
                    gain, pair, split = _best_pair(observed, part, index, mass, members, slot, free, margin)
                    better = gain > best[part]
                    best[part] = torch.maximum(gain, best[part])
                    part = part[better]
                    choice[part], weight[part] = members[part], mass[part]
                    choice[part, slot], choice[part, free] = pair[better].T
                    weight[part, slot], weight[part, free] = split[better].T
        members, mass = choice, weight
    return members, mass


def _best_pair(
    observed: Products,
    rows: Tensor,
    ids: Tensor,
    mass: Tensor,
    members: Tensor,
    slot: int,
    free: int,
    margin: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """For two slots: what is gained (r,) over the present pair, the pair (r, 2) to take, its coefficients (r, 2)."""
    gram = observed.gram
    dots = observed.remaining(rows, ids, mass, members, (slot, free))
    total = (mass[rows, slot] + mass[rows, free])[:, None]
    # the same image twice, too
    first, second = torch.combinations(torch.arange(len(ids), device=ids.device), with_replacement=True).T
    part, value = split_pair(dots[:, first], dots[:, second], gram, ids[first][None], ids[second][None], total)
    value, at = (observed.precision[rows, None] * value).max(1)
    split = part.gather(1, at[:, None])
    pair = torch.stack([ids[first[at]], ids[second[at]]], 1)
    present = members[rows][:, [slot, free]]
    lone = present[:, 1] < 0
    present[:, 1] = torch.where(lone, present[:, 0], present[:, 1])
    known = torch.nonzero(torch.isin(present, ids).all(1))[:, 0]
    gain = torch.full_like(value, torch.inf)
    where = torch.searchsorted(ids, present[known])  # of_class is ascending
    a, b = (dots[known].gather(1, w[:, None]) for w in where.T)
    own, now = split_pair(a, b, gram, present[known, :1], present[known, 1:], total[known])
    gain[known] = value[known] - observed.precision[rows[known]] * now[:, 0]
    stays = gain[known] <= margin
    keep = known[stays]
    pair[keep], split[keep] = present[keep], own[stays]
    lone = keep[lone[keep]]
    pair[lone, 1], split[lone] = -1, total[lone]
    return gain, pair, torch.cat([split, total - split], 1)


def split_pair(
    dots_a: Tensor, dots_b: Tensor, gram: Tensor, a: Tensor, b: Tensor, total: Tensor, *, least: float = 0.0
) -> tuple[Tensor, Tensor]:
    """How a weight L is best split between images a and b, and what the pair then explains.

    |z - t a - (L - t) b|^2 is least at t = <z - L b, a - b> / |a - b|^2.

    Args:
        dots_a, dots_b: (n, J) products <z, a>, <z, b>; total: (n, 1), L.
        gram: (N, N); a, b: int64 indices that broadcast to (n, J).
        least: share of L that either has.

    Returns:
        t (n, J), and (|z|^2 - |z - t a - (L - t) b|^2) / 2.
    """
    return split_products(dots_a, dots_b, gram[a, a], gram[b, b], gram[a, b], total, least=least)


def split_products(
    dots_a: Tensor, dots_b: Tensor, aa: Tensor, bb: Tensor, ab: Tensor, total: Tensor, *, least: float = 0.0
) -> tuple[Tensor, Tensor]:
    """`split_pair` from the products <a, a>, <b, b> and <a, b>; all broadcast to the shape of the answers."""
    t = ((dots_a - dots_b) - total * (ab - bb)) / (aa + bb - 2 * ab).clamp_min(1e-9)
    t = torch.minimum(torch.maximum(t, least * total), (1 - least) * total)
    rest = total - t
    return t, t * dots_a + rest * dots_b - (t**2 * aa + rest**2 * bb) / 2 - t * rest * ab


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs of two lists of images: scores of some encodings.

    Attributes:
        rows: int64 (n,); first: int64 (n or 1, A), second: (n or 1, B), -1 for none.
        score: float32 (n, A, B).
        part: float32 (n, A, B), coefficient of the first where the label gives the sum only; None where it gives both.
    """

    rows: Tensor
    first: Tensor
    second: Tensor
    score: Tensor
    part: Tensor | None

    def posterior(self, offset: Tensor) -> Tensor:
        """(n, A, B), images being as frequent as `offset` (N,) makes them."""
        tilted = self.score + offset[self.first.clamp_min(0)][:, :, None] + offset[self.second.clamp_min(0)][:, None]
        return torch.softmax(tilted.flatten(1), 1).view_as(tilted)


class Squares:
    """Squared magnitudes about the squared predictions of `images`, one set per fold of rows.

    For two images (a, b) the prediction (l1 a + l2 b + s u)^2 is a combination of six fixed vectors with known weights,
    so all pairs of two classes are scored exactly by matrix products.
    """

    def __init__(
        self, magnitude: Tensor, noise: Tensor, images: Sequence[Tensor], slots: Slots, shape: Shape, *, known: IntArray
    ) -> None:
        """`magnitude`: float32 (E, P); `noise`: (E,) variances; `known`: rows that `fit` will be about."""
        self.magnitude, self.noise, self.images, self.slots, self.shape = magnitude, noise, images, slots, shape
        self.mass = torch.from_numpy(slots.mass).to(magnitude.device)
        self.known = torch.from_numpy(known).to(magnitude.device)

    def fit(self, mixing: Mixing, *, batch: int = 256) -> Squares:
        """Estimates baseline and whitening from encodings whose `mixing` is known."""
        noise, device = self.noise[self.known], self.magnitude.device
        design = torch.stack([torch.ones_like(noise), noise], 1)
        weighted = design / noise[:, None] ** 2
        gram = weighted.T @ design
        gram += 1e-6 * gram.diagonal().mean() * torch.eye(2, device=device)

        def observed(rows: slice) -> Tensor:
            return self.magnitude[self.known[rows]] ** 2

        def predicted(rows: slice) -> Tensor:
            return predict(mixing, self.images, torch.arange(rows.start, rows.stop, device=device)) ** 2

        def baseline(rows: slice) -> Tensor:
            return weighted[rows].T @ (observed(rows) - predicted(rows))

        #: float32 (2, P); (1, tau^2) times its rows is the mean of |m|^2 - prediction^2
        self.base = torch.linalg.solve(gram, summed(baseline, len(mixing), batch, device))

        def moments(rows: slice) -> Tensor:
            scale = noise[rows, None]
            y = dct((observed(rows) - design[rows] @ self.base) / scale, self.shape)
            z = dct(predicted(rows) / scale, self.shape)
            return torch.stack([(y**2).sum(0), (y * z).sum(0), (z**2).sum(0)])

        self.whitening = Whitening.of(*summed(moments, len(mixing), batch, device) / len(mixing))
        return self

    def joint(self, of_class: Sequence[IntArray]) -> bool:
        """Whether all pairs are few enough."""
        return max((len(ids) for ids in of_class), default=0) ** 2 <= MAX_PAIRS

    def _features(self, rows: Tensor) -> Tensor:
        """Whitened squares (n, D) less their baseline."""
        noise = self.noise[rows]
        design = torch.stack([torch.ones_like(noise), noise], 1)
        return dct(self.magnitude[rows] ** 2 - design @ self.base, self.shape) / self.whitening.deviation

    def _predicted(self, squares: Tensor) -> Tensor:
        """Whitened prediction from (n, P) products of images."""
        return dct(squares, self.shape) * (self.whitening.gain / self.whitening.deviation)

    def given(self, fold: int, rows: Tensor) -> Observation:
        """Some rows and the images of their fold."""
        return _SquaresOf(self, self.images[fold], rows)

    def pairs(self, of_class: Sequence[IntArray]) -> list[Pairs]:
        """Scores of all pairs, by classes and folds."""
        folds = len(self.images)
        jobs = [
            (f, of_class[c1], of_class[c2], part)
            for c1, c2, rows in _class_blocks(self.slots)
            if len(of_class[c1]) and len(of_class[c2])
            for f in range(folds)
            if len(part := rows[rows % folds == f])
        ]
        return run_jobs(lambda job: self._block(*job), jobs, self.magnitude.device)

    def _block(self, fold: int, ids_a: IntArray, ids_b: IntArray, rows: IntArray) -> Pairs:
        device, images = self.magnitude.device, self.images[fold]
        index, a, b = (torch.from_numpy(x).to(device) for x in (rows, ids_a, ids_b))
        features = self._features(index)
        left, right, u = images[a], images[b], images[-1:]
        na, nb = len(left), len(right)

        def over_first(v: Tensor) -> Tensor:
            return self._predicted(v)[:, None].expand(-1, nb, -1).reshape(na * nb, -1)

        def over_second(v: Tensor) -> Tensor:
            return self._predicted(v)[None].expand(na, -1, -1).reshape(na * nb, -1)

        cross = self._predicted((left[:, None] * right[None]).reshape(na * nb, -1))
        mean = self._predicted(u**2).expand(na * nb, -1)
        # the six vectors of the prediction, (6, J, D)
        vectors = torch.stack(
            [over_first(left**2), over_second(right**2), cross, over_first(u * left), over_second(u * right), mean]
        )
        dots = torch.einsum("nd,kjd->njk", features, vectors)
        grams = torch.einsum("kjd,ljd->jkl", vectors, vectors).reshape(na * nb, 36)
        scale = TEMPER / self.noise[index, None] ** 2
        mass = self.mass[index]
        s = 1 - mass.sum(1)

        def gain(l1: Tensor, l2: Tensor) -> Tensor:
            weights = torch.stack([l1**2, l2**2, 2 * l1 * l2, 2 * s * l1, 2 * s * l2, s**2], 1)
            outer = (weights[:, :, None] * weights[:, None, :]).reshape(len(weights), 36)
            score = scale * (torch.einsum("nk,njk->nj", weights, dots) - (outer @ grams.T) / 2)
            return score.view(-1, na, nb)

        if ids_a is not ids_b:
            return Pairs(index, a[None], b[None], gain(mass[:, 0], mass[:, 1]), None)
        total = mass.sum(1)
        score = torch.full((len(rows), na, nb), -torch.inf, device=device)
        part = torch.zeros_like(score)
        for larger in SPLITS:
            trial = gain(total * larger, total * (1 - larger))
            better = trial > score
            score = torch.where(better, trial, score)
            part = torch.where(better, (total * larger)[:, None, None], part)
        return Pairs(index, a[None], b[None], score, part)


@dataclass(frozen=True, eq=False)
class _SquaresOf:
    """Some rows of `Squares`; see `Observation`."""

    whole: Squares
    images: Tensor
    index: Tensor

    def scores(self, rows: Tensor, slot: int, ids: Tensor, mass: Tensor, members: Tensor) -> Tensor:
        unknowns, out = self.images[:-1], []
        for part in rows.split(64):
            share = 1 - self.whole.mass[self.index[part]].sum(1)
            rest = share[:, None] * self.images[-1]
            for other in range(members.shape[1]):
                if other != slot:
                    member = members[part, other]
                    amount = torch.where(member >= 0, mass[part, other], torch.zeros_like(mass[part, other]))
                    rest = rest + amount[:, None] * unknowns[member.clamp_min(0)]
            predicted = rest[:, None] + mass[part, slot, None, None] * unknowns[ids][None]
            features = self.whole._features(self.index[part])
            prediction = self.whole._predicted((predicted**2).flatten(0, 1)).view(len(part), len(ids), -1)
            distance = ((prediction - features[:, None]) ** 2).sum(2)
            out.append(-TEMPER / 2 * distance / self.whole.noise[self.index[part], None] ** 2)
        return torch.cat(out)


class Linear:
    """Expected unmasked mixtures, compared by inner products with `images`, one set per fold of rows."""

    def __init__(
        self,
        signs: Tensor,
        values: Tensor,
        noise: Tensor,
        images: Sequence[Tensor],
        slots: Slots,
        shape: Shape,
    ) -> None:
        """`signs`: (E, P) expected signs of the magnitudes `values`; `noise`: float32 (E,) variances."""
        self.signs, self.values, self.noise = signs, values, noise
        self.images, self.slots, self.shape = images, slots, shape
        self.mass = torch.from_numpy(slots.mass).to(values.device)

    def fit(self, mixing: Mixing, rows: Tensor) -> Linear:
        """Estimates the whitening from rows (n,) of which `mixing`, of all encodings, is known."""
        rows = rows[:: max(1, len(rows) // MOMENTS)]
        moments: list[Tensor] = []
        for part in rows.split(_BATCH):
            level = self.noise[part, None].sqrt()
            y = dct(self._mixtures(part) / level, self.shape)
            z = dct(predict(mixing, self.images, part) / level, self.shape)
            moments.append(torch.stack([(y**2).sum(0), (y * z).sum(0), (z**2).sum(0)]))
            hand_back_pages()  # rows from everywhere: all of a file's pages before the end
        return self.whitened(Whitening.of(*torch.stack(moments).sum(0) / len(rows)))

    def whitened(self, whitening: Whitening) -> Linear:
        """With a given whitening."""
        self.whitening = whitening

        def base(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            z = dct(images, self.shape) * (self.whitening.gain / self.whitening.deviation)
            return z[:-1], z[-1], z[:-1] @ z[:-1].T

        self._bases = run_jobs(base, list(self.images), self.values.device)
        return self

    def joint(self, of_class: Sequence[IntArray]) -> bool:
        """Short lists keep the number of pairs small."""
        return True

    def _mixtures(self, rows: Tensor) -> Tensor:
        return self.signs[rows].float() * self.values[rows].float()

    def given(self, fold: int, rows: Tensor, of_class: Sequence[IntArray] | None = None) -> Products:
        """Products of some rows with the images of their fold, those of their classes (`of_class`) at least."""
        base, mean, gram = self._bases[fold]
        share = 1 - self.mass[rows].sum(1)
        z = dct(self._mixtures(rows), self.shape) / self.whitening.deviation - share[:, None] * mean
        if of_class is None or len(base) < DENSE_COLUMNS:
            return Products(z @ base.T, gram, TEMPER / self.noise[rows])
        # with many images those that no label allows would cost most
        label = torch.from_numpy(self.slots.label).to(rows.device)[rows]
        dots = torch.zeros(len(rows), len(base), device=rows.device)
        for c, ids in enumerate(of_class):
            own = torch.nonzero((label == c).any(1))[:, 0]
            if len(own) and len(ids):
                index = torch.from_numpy(ids).to(rows.device)
                dots[own[:, None], index[None]] = z[own] @ base[index].T
        return Products(dots, gram, TEMPER / self.noise[rows])

    def pairs(self, of_class: Sequence[IntArray]) -> list[Pairs]:
        """Scores of all pairs of two short lists, by folds."""
        jobs = list(_fold_blocks(len(self.values), len(self.images), self.values.device))
        return run_jobs(lambda job: self._block(of_class, *job), jobs, self.values.device)

    def _block(self, of_class: Sequence[IntArray], fold: int, rows: Tensor) -> Pairs:
        observed = self.given(fold, rows, of_class)
        mass, label = self.mass[rows], torch.from_numpy(self.slots.label).to(rows.device)[rows]
        size = max(1, min(SHORT_LIST, max((len(ids) for ids in of_class), default=1)))
        choice = torch.full((len(rows), 2, size), -1, dtype=torch.long, device=rows.device)
        alone = torch.full_like(choice[:, :, 0], -1)
        for slot in range(2):
            for c, ids in enumerate(of_class):
                own = torch.nonzero(label[:, slot] == c)[:, 0]
                if not len(own) or not len(ids):
                    continue
                index = torch.from_numpy(ids).to(rows.device)
                best = observed.scores(own, slot, index, mass, alone).topk(min(size, len(ids)), dim=1).indices
                choice[own, slot, : best.shape[1]] = index[best]
        known = choice.clamp_min(0)
        dots = observed.dots.gather(1, known.flatten(1)).view_as(choice)
        a, b = known[:, 0, :, None], known[:, 1, None]
        energy = observed.gram.diagonal()
        l1, l2 = mass[:, 0, None, None], mass[:, 1, None, None]
        score = l1 * dots[:, 0, :, None] + l2 * dots[:, 1, None]
        score = score - (l1**2 * energy[a] + l2**2 * energy[b]) / 2 - l1 * l2 * observed.gram[a, b]
        part = l1.expand_as(score).clone()
        both = torch.nonzero(torch.from_numpy(self.slots.shared).to(rows.device)[rows])[:, 0]
        if len(both):
            part[both], score[both] = split_pair(
                dots[both, 0, :, None],
                dots[both, 1, None],
                observed.gram,
                a[both],
                b[both],
                (l1 + l2)[both],
                least=LEAST,
            )
        score = score * observed.precision[:, None, None]
        score = score.masked_fill((choice[:, 0, :, None] < 0) | (choice[:, 1, None] < 0), FORBIDDEN)
        return Pairs(rows, choice[:, 0], choice[:, 1], score, part)


def predict(mixing: Mixing, images: Sequence[Tensor], rows: Tensor) -> Tensor:
    """Predicted mixtures (n, P) of some rows, each by the images (N + 1, P) of its fold, row modulo number of folds."""
    some = mixing.some(rows)
    out = some.forward(images[0], slice(None))
    for f in range(1, len(images)):
        own = torch.nonzero(rows % len(images) == f)[:, 0]
        out[own] = some.some(own).forward(images[f], slice(None))
    return out


def assign(
    observed: Squares | Linear,
    of_class: Sequence[IntArray],
    members: IntArray,
    *,
    target: float | None = None,
    sweeps: int = 1,
) -> Assignment:
    """The best images for every slot of every encoding.

    Args:
        observed: after `fit`.
        of_class: images of each class.
        members: int64 (E, s) the present choice, where more than two slots are settled one after the other.
        target: slots per image where all images are known to be used equally often.
        sweeps: over the slots, where there are more than two.
    """
    slots, count = observed.slots, len(observed.images[0]) - 1
    if slots.count == 2 and observed.joint(of_class):
        return choose_pairs(observed.pairs(of_class), slots, count, target)
    device = observed.mass.device
    label = torch.from_numpy(slots.label).to(device)
    present = torch.from_numpy(members).to(device)
    certainty = torch.ones(len(members), device=device)

    def one(job: tuple[int, Tensor]) -> None:
        fold, rows = job
        present[rows], certainty[rows] = conditional_modes(
            observed.given(fold, rows), label[rows], observed.mass[rows], present[rows], of_class, sweeps=sweeps
        )

    run_jobs(one, list(_fold_blocks(len(members), len(observed.images), device)), device)
    return Assignment(present.cpu().numpy(), slots.mass.copy(), certainty.cpu().numpy())


def choose_pairs(blocks: Sequence[Pairs], slots: Slots, count: int, target: float | None) -> Assignment:
    """The likeliest pair of every encoding, images being used `target` times each where that is given."""
    device = blocks[0].score.device if blocks else torch.device("cpu")
    offset = torch.zeros(count, device=device)
    for _ in range(12 if target is not None else 0):
        counts = torch.zeros_like(offset)
        for b in blocks:
            posterior = b.posterior(offset)
            for ids, p in ((b.first, posterior.sum(2)), (b.second, posterior.sum(1)))[: slots.count]:
                p = p if len(ids) == len(p) else p.sum(0, keepdim=True)
                counts.index_add_(0, ids.clamp_min(0).flatten(), p.flatten())
        offset += 0.7 * torch.log((target or 1.0) / counts.clamp_min(1e-3))
        offset.clamp_(-50, 50)
    members = np.full(slots.label.shape, -1, dtype=np.int64)
    mass = slots.mass.copy()
    certainty = np.zeros(len(members), dtype=np.float32)
    for b in blocks:
        value, at = b.posterior(offset).flatten(1).max(1)
        possible = b.score.flatten(1).max(1).values > FORBIDDEN / 10
        rows = b.rows.cpu().numpy()
        picked = ((b.first, at // b.score.shape[2]), (b.second, at % b.score.shape[2]))
        for slot, (ids, which) in enumerate(picked[: slots.count]):
            chosen = ids.expand(len(rows), -1).gather(1, which[:, None])[:, 0]
            members[rows, slot] = torch.where(possible, chosen, -1).cpu().numpy()
        certainty[rows] = torch.where(possible, value, 0).cpu().numpy()
        if b.part is not None:
            part = b.part.flatten(1).gather(1, at[:, None])[:, 0].cpu().numpy()
            total = slots.mass[rows].sum(1)
            mass[rows] = np.where(slots.shared[rows, None], np.stack([part, total - part], 1), mass[rows])
    return Assignment(members, mass.astype(np.float32), certainty)


def _class_blocks(slots: Slots) -> Iterator[tuple[int, int, IntArray]]:
    keys = slots.label[:, 0] * slots.classes + slots.label[:, 1]
    valid = (slots.label >= 0).all(1)
    for key in np.unique(keys[valid]):
        c1, c2 = divmod(int(key), slots.classes)
        yield c1, c2, np.nonzero(valid & (keys == key))[0]


def _fold_blocks(count: int, folds: int, device: torch.device) -> Iterator[tuple[int, Tensor]]:
    for f in range(folds):
        for rows in torch.arange(f, count, folds, device=device).split(_BATCH):
            yield f, rows


def by_labels(
    z: NDArray[np.float32],
    labels: NDArray[np.floating],
    centres: NDArray[np.float32],
    classes: IntArray,
    slots: int,
) -> tuple[IntArray, NDArray[np.float64]]:
    """Members and coefficients of mixtures by least squares in a whitened space, from their soft labels alone.

    Args:
        z: float32 (E, D) whitened mixtures less their public part; centres: float32 (N, D) whitened images.
        labels: (E, n_classes) coefficient-weighted one-hot; classes: int64 (N,) of the images.
        slots: images per mixture.

    Returns:
        int64 (E, slots), -1 for none, and float64 (E, slots).
    """
    of_class = [np.flatnonzero(classes == c) for c in range(labels.shape[1])]
    weights = np.where(np.array([len(ids) > 0 for ids in of_class])[None], labels, 0)
    order = np.argsort(-weights, axis=1, kind="stable")[:, :slots]
    order = np.pad(order, ((0, 0), (0, slots - order.shape[1])))
    amount = np.take_along_axis(weights, order, 1)
    amount[:, labels.shape[1] :] = 0
    label = torch.from_numpy(np.where(amount > 1e-6, order, -1))
    mass = torch.from_numpy(np.where(amount > 1e-6, amount, 0).astype(np.float64))
    x = torch.from_numpy(centres)
    gram = (x @ x.T).double()
    members = torch.full(label.shape, -1, dtype=torch.int64)
    for part in torch.arange(len(z)).split(_BATCH):
        dots = (torch.from_numpy(z[part.numpy()]) @ x.T).double()
        observed = Products(dots, gram, torch.ones(len(part), dtype=torch.float64))
        chosen, _ = conditional_modes(observed, label[part], mass[part], members[part], of_class, sweeps=2)
        members[part], mass[part] = split_shared(observed, label[part], mass[part], chosen, of_class)
    return members.numpy(), mass.numpy()
