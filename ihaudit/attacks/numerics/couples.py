"""Which two images every encoding holds, for all classes at once: annealed EM over couples of images.

`clusters` groups one class at a time, so that an encoding's other image is noise, as strong as the image that is looked
for.  With few encodings per image that noise decides: images of a class come out as one, and others as averages of what
is left (a third of them at five encodings per image).  Here an encoding is explained by both of its images,

    z = g (l1 a + l2 b) + noise / sqrt(w),

with known coefficients (their sum, where both are of one class) and an unknown global sign g; responsibilities over all
couples that the labels allow, not a decision, are what images are solved from.  As in `clusters` images are compared
with encodings that they were solved without, and annealing begins below the critical temperature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.clusters import GUESS, PRIOR
from ihaudit.attacks.numerics.labels import IntArray, Slots
from ihaudit.attacks.numerics.members import FORBIDDEN, LEAST, TEMPER

#: encodings x couples up to which it is affordable
MOST = 1_000_000
#: slots per image up to which it helps: beyond, each class by itself is found as well
FEW = 30
#: where annealing begins: from nothing, from a grouping, and from an assignment, and its steps
FROM_NOTHING, FROM_GROUPING, FROM_MEMBERS = (0.02, 80), (0.1, 60), (0.3, 30)
#: share of the steps after which the inverse temperature is 1
RISING = 0.7
#: power of the public weight that the variance goes with, and the part of it that does not
POWER, CONSTANT = 1.7, 0.05
#: power with which the noise of an encoding goes with what images leave of it (chosen on seeds 3, 4, 6 and 7)
TRUST = 0.8
#: log odds of the global signs once images are known
KNOWN = 6.0
#: how far frequencies of images are corrected in a step
BALANCING = 0.5
_MOST_OFFSET = 20.0


@dataclass(frozen=True, eq=False)
class Guess:
    """What is thought of all couples; each float32 (E, A, B).

    Attributes:
        posterior: of each couple of an encoding.
        sign: expected global sign, given the couple.
        part: coefficient of the first image, given the couple; other: of the second.
        score: log-likelihood, in nats, more than that of no images at all.
    """

    posterior: Tensor
    sign: Tensor
    part: Tensor
    other: Tensor
    score: float = 0.0


@dataclass(frozen=True, eq=False)
class Answer:
    """members int64 (E, 2), coefficients float32 (E, 2), certainty float32 (E,), polarity float32 (E,)."""

    members: IntArray
    coefficients: NDArray[np.float32]
    certainty: NDArray[np.float32]
    polarity: Tensor


@dataclass(frozen=True, eq=False)
class Solved:
    """Images float32 (N, D), the inverse (N, N) of their normal matrix, and expected signed coefficients (E, N)."""

    images: Tensor
    inverse: Tensor
    held: Tensor


@dataclass(frozen=True, eq=False)
class Moments:
    """Products of encodings with both images of couples, and of these with each other, each (E, A, B) or broadcast."""

    first: Tensor
    second: Tensor
    aa: Tensor
    bb: Tensor
    ab: Tensor


@dataclass(frozen=True, eq=False)
class Couples:
    """The couples of images that the labels allow each encoding.

    Attributes:
        rows: float32 (E, D) whitened mixtures; weight: float32 (E,) inverse noise variances.
        mass: float32 (E, 2) coefficients; shared: bool (E,), only their sum is known.
        first: int64 (E, A), second: (E, B), images that each slot may hold; allowed: bool (E, A, B).
        count: number of images.
        ridge: inverse variance of their values.
        odds: log odds that global signs are right.
        target: slots per image where all images are used equally often.
    """

    rows: Tensor
    weight: Tensor
    mass: Tensor
    shared: Tensor
    first: Tensor
    second: Tensor
    allowed: Tensor
    count: int
    ridge: float
    odds: float
    target: float | None

    @classmethod
    def of(
        cls,
        rows: Tensor,
        slots: Slots,
        of_class: Sequence[IntArray],
        *,
        target: float | None,
        odds: float = PRIOR,
    ) -> Couples:
        """From whitened mixtures (`features.linear_features`).

        Args:
            of_class: images of each class; see `affordable`.
        """
        first, second = choices(slots, of_class, rows.device)
        mass = torch.from_numpy(slots.mass).to(rows.device)
        noise, energy = levels(rows, mass)
        return cls(
            rows.float(),
            1 / noise,
            mass,
            torch.from_numpy(slots.shared).to(rows.device),
            first.clamp_min(0),
            second.clamp_min(0),
            (first >= 0)[:, :, None] & (second >= 0)[:, None],
            sum(map(len, of_class)),
            1 / energy,
            odds,
            target,
        )

    def random(self, generator: torch.Generator) -> Guess:
        """Nothing known, by a CPU generator."""
        q = torch.rand(self.allowed.shape, generator=generator).to(self.rows.device)
        q = torch.where(self.allowed, q, 0.0)
        return self._guess(q, torch.full_like(q, GUESS))

    def held_by(self, members: IntArray, polarity: Tensor) -> Guess:
        """From members int64 (E, 2), -1 for none, and expected global signs (E,)."""
        ids = torch.from_numpy(members).to(self.rows.device)
        q = ((self.first == ids[:, :1])[:, :, None] & (self.second == ids[:, 1:])[:, None] & self.allowed).float()
        q = torch.where((q.sum((1, 2)) > 0)[:, None, None], q, self.allowed.float())
        return self._guess(q, polarity.float()[:, None, None].expand_as(q))

    def _guess(self, q: Tensor, sign: Tensor) -> Guess:
        part, other = (self.mass[:, slot, None, None].expand_as(q) for slot in range(2))
        return Guess(q / q.sum((1, 2), keepdim=True).clamp_min(1e-30), sign, part, other)

    def images(self, guess: Guess) -> Tensor:
        """float32 (N, D), by least squares."""
        return self._solved(guess).images

    def explained_by(self, images: Tensor) -> Guess:
        """From images float32 (N, D) that these encodings had no part in."""
        unseen = torch.zeros(len(self.rows), self.count, device=self.rows.device)
        inverse = torch.zeros(self.count, self.count, device=self.rows.device)
        return self._expected(Solved(images, inverse, unseen), 1.0, torch.zeros(self.count, device=self.rows.device))

    def annealed(self, guess: Guess, start: float, steps: int) -> Guess:
        """EM from a guess; the inverse temperature rises from `start` to 1 within `RISING` of the steps, and noise is
        estimated anew from then on."""
        offset = torch.zeros(self.count, device=self.rows.device)
        weighted = self
        for step in range(steps):
            solved = weighted._solved(guess)
            if step >= RISING * steps:
                weighted = self._weighted(weighted._left(solved))
            guess = weighted._expected(solved, start ** max(0.0, 1 - step / (RISING * steps)), offset)
            if self.target is not None:
                offset += BALANCING * torch.log(self.target / self._frequency(guess.posterior).clamp_min(1e-2))
                offset.clamp_(-_MOST_OFFSET, _MOST_OFFSET)
        nothing = self._weighted((self.rows**2).mean(1))
        return replace(guess, score=guess.score + weighted._constant() - nothing._constant())

    def _left(self, found: Solved) -> Tensor:
        """Mean squares float32 (E,) of what images leave that were solved without the encoding."""
        leverage = self.weight * ((found.held @ found.inverse) * found.held).sum(1)
        # an image that rests on one encoding leaves nothing of it: bounded by less, such encodings seem to be free of
        # noise, and twice as many images to be far likelier
        return (self.rows - found.held @ found.images).square().mean(1) / (1 - leverage.clamp_max(0.999))

    def _weighted(self, left: Tensor) -> Self:
        """With noise by what images leave, rather than by what coefficients leave to public images: it says little of
        how textured these are, and one busy encoding outweighs many.  The median one's stays."""
        relative = left * self.weight
        return replace(self, weight=self.weight / (relative / relative.median()).clamp_min(1e-3) ** TRUST)

    def _constant(self) -> float:
        """The part of the log-likelihood that is the same for all couples."""
        energy = (self.rows**2).mean(1)
        return float((self.weight.log() - self.weight * energy).sum()) * TEMPER / 2 * self.rows.shape[1]

    def answer(self, guess: Guess) -> Answer:
        """The likeliest couples."""
        value, at = guess.posterior.flatten(1).max(1)
        a, b = at // self.second.shape[1], at % self.second.shape[1]
        members = torch.cat([self.first.gather(1, a[:, None]), self.second.gather(1, b[:, None])], 1)
        mass = torch.cat([x.flatten(1).gather(1, at[:, None]) for x in (guess.part, guess.other)], 1)
        sign = guess.sign.flatten(1).gather(1, at[:, None])[:, 0]
        return Answer(members.cpu().numpy(), mass.float().cpu().numpy(), value.cpu().numpy(), sign)

    def _frequency(self, q: Tensor) -> Tensor:
        out = torch.zeros(self.count, device=q.device)
        out.index_add_(0, self.first.flatten(), q.sum(2).flatten())
        return out.index_add_(0, self.second.flatten(), q.sum(1).flatten())

    def _solved(self, guess: Guess) -> Solved:
        """Images by least squares, couples being as likely as they are thought to be."""
        a, b, n = self.first, self.second, self.count
        q, t, u = guess.posterior, guess.part, guess.other
        signed = q * guess.sign
        held = torch.zeros(len(q), n, device=q.device)
        held.scatter_add_(1, a, (signed * t).sum(2)).scatter_add_(1, b, (signed * u).sum(1))
        q = q * self.weight[:, None, None]
        own = torch.zeros(n, device=q.device)
        own.index_add_(0, a.flatten(), (q * t**2).sum(2).flatten())
        own.index_add_(0, b.flatten(), (q * u**2).sum(1).flatten())
        both = torch.zeros(n * n, device=q.device)
        both.index_add_(0, (a[:, :, None] * n + b[:, None]).flatten(), (q * t * u).flatten())
        normal = both.view(n, n) + both.view(n, n).T + torch.diag(own + self.ridge)
        inverse = torch.linalg.inv(normal)
        return Solved(inverse @ ((held * self.weight[:, None]).T @ self.rows), inverse, held)

    def _expected(self, found: Solved, sharp: float, offset: Tensor) -> Guess:
        """Responsibilities given the images, each encoding being compared with images solved without it."""
        a, b, held = self.first, self.second, found.held
        dots, gram = self.rows @ found.images.T, found.images @ found.images.T
        mixed = held @ gram
        energy, told = (self.rows**2).sum(1), (held * dots).sum(1)
        # products of the encoding, of the images and of itself with what the images leave of it
        left, across = energy - told, dots - mixed
        lost = (left - told + (mixed * held).sum(1)).clamp_min(0)
        gain = held @ found.inverse
        leverage = (self.weight * (gain * held).sum(1)).clamp_max(0.9)
        pull = gain * (self.weight / (1 - leverage))[:, None]  # image n is moved by so much of what is left (Sherman)
        dots = dots - pull * left[:, None]
        da, db, pa, pb = (x.gather(1, ids) for x in (dots, pull) for ids in (a, b))
        ra, rb = across.gather(1, a), across.gather(1, b)
        own, lost = gram.diagonal(), lost[:, None]
        aa = (own[a] - 2 * pa * ra + pa**2 * lost)[:, :, None]
        bb = (own[b] - 2 * pb * rb + pb**2 * lost)[:, None]
        ab = gram[a[:, :, None], b[:, None]] - pa[:, :, None] * rb[:, None] - pb[:, None] * ra[:, :, None]
        ab += pa[:, :, None] * pb[:, None] * lost[:, :, None]
        t, u, sign, score = self._fitted(Moments(da[:, :, None], db[:, None], aa, bb, ab), sharp)
        score = score.masked_fill(~self.allowed, FORBIDDEN)
        q = torch.softmax((score + offset[a][:, :, None] + offset[b][:, None]).flatten(1), 1).view_as(score)
        reached = (q * score).sum() - (q * q.clamp_min(1e-30).log()).sum()
        return Guess(q, sign, t, u, float(reached))

    def _fitted(self, m: Moments, sharp: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The best coefficients of couples, their expected global signs, and their log-likelihoods."""
        da, db, aa, bb, ab = m.first, m.second, m.aa, m.bb, m.ab
        total = self.mass.sum(1)[:, None, None]
        t = self.mass[:, 0, None, None].expand_as(ab)
        if bool(self.shared.any()):
            # |z - g (t a + (L - t) b)|^2 is least there, g being the sign that half each have
            turn = torch.sign(da + db)
            best = (turn * (da - db) - total * (ab - bb)) / (aa + bb - 2 * ab).clamp_min(1e-9)
            best = torch.minimum(torch.maximum(best, LEAST * total), (1 - LEAST) * total)
            t = torch.where(self.shared[:, None, None], best, t)
        u = total - t
        scale = sharp * TEMPER * self.weight[:, None, None]
        tilt = scale * (t * da + u * db)
        cost = scale * ((t**2 * aa + u**2 * bb) / 2 + t * u * ab)
        score = torch.logaddexp(self.odds / 2 + tilt, -self.odds / 2 - tilt) - cost
        return t, u, torch.tanh(self.odds / 2 + tilt), score


def choices(slots: Slots, of_class: Sequence[IntArray], device: torch.device) -> tuple[Tensor, Tensor]:
    """int64 (E, A) and (E, B): images that either slot of an encoding may hold by its class, filled up with -1."""
    most = max(len(ids) for ids in of_class)
    table = torch.full((len(of_class), most), -1, dtype=torch.long)
    for c, ids in enumerate(of_class):
        table[c, : len(ids)] = torch.from_numpy(ids)
    choice = table[torch.from_numpy(slots.label)].to(device)
    return choice[:, 0], choice[:, 1]


def affordable(slots: Slots, of_class: Sequence[IntArray]) -> bool:
    """Whether labels tell the coefficients of two images in each encoding, and images have few encodings each, so that
    couples are worth being compared, and not too many."""
    known = slots.count == 2 and slots.informative and bool((slots.label >= 0).all())
    most, count = max((len(ids) for ids in of_class), default=0), sum(map(len, of_class))
    return known and most > 1 and slots.label.size <= FEW * count and len(slots.label) * most**2 <= MOST


def levels(rows: Tensor, mass: Tensor) -> tuple[Tensor, float]:
    """Noise variances float32 (E,) of whitened mixtures (E, D) by what their coefficients (E, 2) leave to public
    images, and the variance of the private images' values."""
    share = (1 - mass.sum(1)).clamp_min(0.0)
    energy = (rows.float() ** 2).mean(1).clamp_min(1e-3)
    design = torch.stack([(mass**2).sum(1), share**POWER], 1).cpu() / energy[:, None].cpu()
    # not the default driver, whose answers differ by last bits from call to call
    fit = torch.linalg.lstsq(design, torch.ones(len(design), 1), driver="gelsd")
    private, public = fit.solution[:, 0].tolist()
    noise = max(public, 0.0) * share.clamp_min(0.02) ** POWER + CONSTANT
    return noise, max(private, 0.5)


def best_from(
    couples: Couples, seed: int, grouping: tuple[IntArray, Tensor] | None = None, *, restarts: int = 1
) -> Guess:
    """The best guess from members and global signs of a grouping, and from nothing, so often."""
    start = None if grouping is None else couples.annealed(couples.held_by(*grouping), *FROM_GROUPING)
    found = [] if start is None else [start]
    for n in range(restarts):
        generator = torch.Generator().manual_seed(seed * 1000 + n)
        found.append(couples.annealed(couples.random(generator), *FROM_NOTHING))
    return max(found, key=lambda guess: guess.score)


def reassigned_jointly(couples: Couples, members: IntArray) -> Answer:
    """The couples near an assignment, signs being known from images."""
    start = couples.held_by(members, torch.ones(len(members), device=couples.rows.device))
    return couples.answer(couples.annealed(start, *FROM_MEMBERS))
