"""Which images an encoding holds, and with which coefficients, where no label tells them: hard labels, or none at all.

An encoding is ``l1 a + l2 b + (1 - l1 - l2) u``, u an average public image, so what differs from u is linear in the two
images' differences from it.  For every pair of images that the labels allow the best coefficients have a closed form,
under a prior as wide as coefficients are found to be; the pair that explains most is taken.

An image with half its contrast and twice its coefficients explains as much.  A scheme draws coefficients of all images
alike, so each image's mean coefficient is made that of all; what they all have in common shows in the residuals, which
vanish where nothing is left to public images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.clusters import PRIOR
from ihaudit.attacks.numerics.labels import IntArray, Slots
from ihaudit.attacks.numerics.members import (
    FORBIDDEN,
    SHORT_LIST,
    TEMPER,
    Assignment,
    Linear,
    Pairs,
    Products,
    choose_pairs,
)
from ihaudit.attacks.numerics.transforms import Shape, dct

#: coefficients before any are known, by private images of an encoding: two of six by |N(0, 1)|, at least 0.3 together;
#: one alone between 0.1 and 0.5
USUAL = {1: 0.3, 2: 0.21}
#: and how far they are from that
SPREAD = 0.11
#: bounds of the mean coefficient of encodings of one private image (of ten, of two) and of two (of ten, of three)
MEANS = {1: (0.1, 0.5), 2: (0.12, 0.34)}
#: bounds of a coefficient, and of two of one encoding
LEAST, MOST = 0.02, 0.95
#: the variance of a public part goes with this power of its weight (true coefficients, three seeds each of k = 4, 6, 8:
#: a factor of 1.00, 1.00 and 0.96 is found on average)
POWER = 1.9
#: correlation of residuals' logarithms with coefficients from which the former say what public images have, by private
#: images of an encoding: sums of two are spread more widely
TELLING = {1: 0.3, 2: 0.5}
#: encodings from which a correlation says anything
FEWEST = 8
#: common factors of all coefficients that are tried
FACTORS = np.geomspace(0.5, 2.5, 161)


@dataclass(frozen=True)
class Prior:
    """Mean and standard deviation of a coefficient."""

    mean: float
    deviation: float = SPREAD

    @classmethod
    def of(cls, coefficients: NDArray[np.float32]) -> Prior:
        """As these are distributed; never narrower than half the usual."""
        return cls(float(coefficients.mean()), max(float(coefficients.std()), SPREAD / 2))


def best(
    observed: Products, a: Tensor, b: Tensor, prior: Prior, rows: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The best coefficients of pairs of images, and the log-likelihood that they reach, each (n, J).

    Args:
        observed: products with the images' differences from the mean public one.
        a, b: int64, broadcast to (n, J).
        rows: of `observed` that are meant; all n where None.
    """
    dots = observed.dots if rows is None else observed.dots[rows]
    p = (observed.precision if rows is None else observed.precision[rows])[:, None]
    energy, tight = observed.gram.diagonal(), 1 / prior.deviation**2
    da, db = p * dots.gather(1, a) + tight * prior.mean, p * dots.gather(1, b) + tight * prior.mean
    aa, bb, ab = p * energy[a] + tight, p * energy[b] + tight, p * observed.gram[a, b]
    x = (da * bb - db * ab) / (aa * bb - ab**2).clamp_min(1e-9)
    x = x.clamp(LEAST, MOST)
    y = ((db - ab * x) / bb).clamp(LEAST, MOST)
    x = ((da - ab * y) / aa).clamp(LEAST, MOST)
    excess = ((x + y) / MOST).clamp_min(1)
    x, y = x / excess, y / excess
    return x, y, x * da + y * db - (x**2 * aa + y**2 * bb) / 2 - x * y * ab


def best_alone(observed: Products, prior: Prior) -> Tensor:
    """The best coefficient (n, N) of every image, were it the only one."""
    tight, p = 1 / prior.deviation**2, observed.precision[:, None]
    amount = (p * observed.dots + tight * prior.mean) / (p * observed.gram.diagonal() + tight)
    return amount.clamp(LEAST, MOST)


class FreeLinear(Linear):
    """`Linear` for encodings of one or two images whose coefficients are not known."""

    #: whether whole encodings may have the wrong sign, as without labels
    turns: bool = False

    def __init__(
        self, signs: Tensor, values: Tensor, noise: Tensor, images: Sequence[Tensor], slots: Slots, shape: Shape
    ) -> None:
        """See `Linear`."""
        super().__init__(signs, values, noise, images, slots, shape)
        self.prior = Prior(USUAL[slots.count])
        self.turned = torch.zeros(len(values), dtype=torch.bool, device=values.device)

    def given(self, fold: int, rows: Tensor, of_class: Sequence[IntArray] | None = None) -> Products:
        """Products of some rows with all images of their fold, as differences from the mean public image."""
        base, mean, _ = self._bases[fold]
        apart = base - mean
        mixtures = torch.where(self.turned[rows, None], -1.0, 1.0) * self._mixtures(rows)
        z = dct(mixtures, self.shape) / self.whitening.deviation - mean
        return Products(z @ apart.T, apart @ apart.T, TEMPER / self.noise[rows])

    def _block(self, of_class: Sequence[IntArray], fold: int, rows: Tensor) -> Pairs:
        found = self._either(of_class, fold, rows)
        if not self.turns:
            return found
        # how well each sign fits, what both leave unexplained included
        mean = self._bases[fold][1]
        tilt = (dct(self._mixtures(rows), self.shape) / self.whitening.deviation) @ mean
        self.turned[rows] = True
        other = self._either(of_class, fold, rows)
        gain = other.score.flatten(1).amax(1) - found.score.flatten(1).amax(1)
        better = gain - 2 * TEMPER / self.noise[rows] * tilt > PRIOR
        self.turned[rows] = better
        return Pairs(
            rows,
            torch.where(better[:, None], other.first, found.first),
            torch.where(better[:, None], other.second, found.second),
            torch.where(better[:, None, None], other.score, found.score),
            None,
        )

    def _either(self, of_class: Sequence[IntArray], fold: int, rows: Tensor) -> Pairs:
        """Scores with the signs as they are taken to be."""
        observed = self.given(fold, rows)
        label = torch.from_numpy(self.slots.label).to(rows.device)[rows]
        size = max(1, min(SHORT_LIST, max((len(ids) for ids in of_class), default=1)))
        choice = torch.full((len(rows), self.slots.count, size), -1, dtype=torch.long, device=rows.device)
        tight, p = 1 / self.prior.deviation**2, observed.precision[:, None]
        amount = best_alone(observed, self.prior)
        alone = p * (amount * observed.dots - amount**2 * observed.gram.diagonal() / 2)
        alone = alone - tight / 2 * (amount - self.prior.mean) ** 2
        for slot in range(self.slots.count):
            for c, ids in enumerate(of_class):
                own = torch.nonzero(label[:, slot] == c)[:, 0]
                if not len(own) or not len(ids):
                    continue
                index = torch.from_numpy(ids).to(rows.device)
                top = alone[own][:, index].topk(min(size, len(ids)), dim=1).indices
                choice[own, slot, : top.shape[1]] = index[top]
        known = choice.clamp_min(0)
        if self.slots.count == 1:
            score = alone.gather(1, known[:, 0]).masked_fill(choice[:, 0] < 0, FORBIDDEN)
            return Pairs(rows, choice[:, 0], torch.full_like(choice[:, 0, :1], -1), score[:, :, None], None)
        a = known[:, 0, :, None].expand(-1, -1, size).flatten(1)
        b = known[:, 1, None].expand(-1, size, -1).flatten(1)
        score = best(observed, a, b, self.prior)[2].view(len(rows), size, size)
        score = score.masked_fill((choice[:, 0, :, None] < 0) | (choice[:, 1, None] < 0), FORBIDDEN)
        return Pairs(rows, choice[:, 0], choice[:, 1], score, None)

    def coefficients(self, members: IntArray) -> NDArray[np.float32]:
        """float32 (E, s) of members int64 (E, s), all known."""
        ids = torch.from_numpy(members).to(self.noise.device)
        out = torch.zeros(ids.shape, device=ids.device)
        for fold in range(len(self.images)):
            for rows in torch.arange(fold, len(ids), len(self.images), device=ids.device).split(2048):
                given = self.given(fold, rows)
                if self.slots.count == 1:
                    out[rows] = best_alone(given, self.prior).gather(1, ids[rows])
                else:
                    out[rows] = torch.cat(best(given, ids[rows, :1], ids[rows, 1:], self.prior)[:2], 1)
        return out.cpu().numpy()


def assign_free(observed: FreeLinear, of_class: Sequence[IntArray], count: int, target: float | None) -> Assignment:
    """The likeliest pair of every encoding and its coefficients; see `members.assign`."""
    found = choose_pairs(observed.pairs(of_class), observed.slots, count, target)
    whole = np.all(found.members >= 0, axis=1)
    fitted = observed.coefficients(found.members.clip(0))
    mass = np.where(whole[:, None], fitted, found.coefficients)
    return replace(found, coefficients=mass.astype(np.float32))


def rescaled(
    found: Assignment, images: Tensor, residual: NDArray[np.float64] | None
) -> tuple[NDArray[np.float32], Tensor]:
    """Coefficients float32 (E, s) and images (N + 1, P) that predict the same, every image as strong on average.

    Args:
        residual: (E,) variances of what images and coefficients leave; None where none of them are trusted yet.
    """
    members, mass = found.members, found.coefficients.astype(np.float64)
    slots, known = members.shape[1], members >= 0
    ids = members[known]
    total = np.bincount(ids, mass[known], minlength=len(images) - 1)
    each = np.bincount(ids, minlength=len(images) - 1)
    mean = mass[known].mean()
    own = np.where(each > 0, total / np.maximum(each, 1), mean) / mean  # relative strength of each image
    even = np.where(known, mass / own[members.clip(0)], mass)
    factor = (
        None if residual is None else common_factor(even.sum(1)[known.all(1)], residual[known.all(1)], TELLING[slots])
    )
    even = even * (USUAL[slots] / mean if factor is None else np.clip(factor, *(b / mean for b in MEANS[slots])))
    over = np.maximum(even.sum(1) / MOST, 1)
    change = torch.from_numpy((own * mean / even[known].mean()).astype(np.float32)).to(images.device)[:, None]
    rest = images[-1:]
    return (even / over[:, None]).astype(np.float32), torch.cat([rest + (images[:-1] - rest) * change, rest])


def common_factor(weight: NDArray[np.float64], residual: NDArray[np.float64], telling: float) -> float | None:
    """By what coefficients are to be multiplied so that residuals (E,) go with what their sums (E,) leave; None where
    the correlation of both is weaker than `telling`, or of hardly any encodings."""
    if len(weight) < FEWEST:
        return None
    loud = np.log(residual)
    if np.corrcoef(weight, loud)[0, 1] > -telling:
        return None
    off = []
    for factor in FACTORS:
        error = loud - POWER * np.log(np.clip(1 - factor * weight, 0.02, None))
        off.append(np.abs(error - np.median(error)).mean())
    return float(FACTORS[int(np.argmin(off))])
