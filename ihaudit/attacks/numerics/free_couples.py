"""Which two of a few images every encoding holds, and how strong, where no label tells coefficients.

Grouping takes what encodings share for their mean, and an encoding's other image for noise.  Both are wrong where there
are few images: the mean is then made of the images themselves, and the other image is one of them.  So of two to ten
images without labels hardly any was found.  Here encodings are looked at as they are, and explained by both images at
once (`couples`), with coefficients as unknowns of each couple.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.clusters import PRIOR
from ihaudit.attacks.numerics.companions import FEW
from ihaudit.attacks.numerics.couples import (
    FROM_MEMBERS,
    FROM_NOTHING,
    KNOWN,
    Answer,
    Couples,
    Guess,
    Moments,
    Solved,
    choices,
)
from ihaudit.attacks.numerics.free_coefficients import LEAST, MOST, SPREAD, USUAL
from ihaudit.attacks.numerics.labels import IntArray, Slots, multiplicities
from ihaudit.attacks.numerics.members import TEMPER
from ihaudit.attacks.numerics.transforms import Shape, dct, low_frequencies

#: encodings that numbers of images are tried on; all others join the images found
SEARCHED = 240
#: slots per image from which a number of images is worth trying
SLOTS = 12
#: annealings of each number of images, and steps of encodings that join
RESTARTS, JOINING = 2, 10
#: a further image must bring this share of what the present ones bring on average (seeds 3 to 7, one image to twenty,
#: no labels: those that are there bring 0.06 to 1.3, further ones 0.03 at most)
WORTH = 0.05
#: numbers in a row that bring too little, after which no more are tried
IDLE = 1
#: numbers of images beyond which every second one is tried, unless it was stated
EVERY = 8
#: numbers of images that class numbers allow, of which so many are tried
ALLOWED = 6
#: images by grouping from which on a quarter of them are there: search begins with these (4 images were grouped as 12)
MANY, FEWER = 12, 4
#: directions that are taken for images when noise is estimated
DIRECTIONS = 8
#: where sizes come from
SOURCE = "best grouping, by all images at once"
_RIDGE = 1e-2
_ROWS = 2048


@dataclass(frozen=True, eq=False)
class FreeCouples(Couples):
    """`Couples` whose coefficients are not known."""

    @classmethod
    def free(cls, rows: Tensor, slots: Slots, of_class: Sequence[IntArray], *, target: float | None) -> FreeCouples:
        """From mixtures float32 (E, D) as `whitened` answers them."""
        first, second = choices(slots, of_class, rows.device)
        shared = torch.from_numpy(slots.shared).to(rows.device)
        allowed = (first >= 0)[:, :, None] & (second >= 0)[:, None]
        # either order of two images of one class is the same couple
        allowed &= ~shared[:, None, None] | (first[:, :, None] <= second[:, None])
        return cls(
            rows,
            torch.ones(len(rows), device=rows.device),
            torch.full((len(rows), 2), USUAL[2], device=rows.device),
            shared,
            first.clamp_min(0),
            second.clamp_min(0),
            allowed,
            sum(map(len, of_class)),
            _RIDGE,
            PRIOR,
            target,
        )

    def _expected(self, found: Solved, sharp: float, offset: Tensor) -> Guess:
        """With images as strong as each other, and coefficients as usual, on average: their scale is not known."""
        guess = super()._expected(found, sharp, offset)
        scale = self._scale(guess)
        part, other = guess.part * scale[self.first][:, :, None], guess.other * scale[self.second][:, None]
        return replace(guess, part=part, other=other)

    def _settled(self, images: Tensor) -> tuple[Guess, Tensor]:
        """What images explain that have the strength with which coefficients are as usual, and these images."""
        unseen = torch.zeros(len(self.rows), self.count, device=self.rows.device)
        inverse, offset = (torch.zeros(n, self.count, device=self.rows.device) for n in (self.count, 1))
        for _ in range(3):
            guess = super()._expected(Solved(images, inverse, unseen), 1.0, offset[0])
            images = images / self._scale(guess)[:, None]
        return guess, images

    def _scale(self, guess: Guess) -> Tensor:
        """float32 (N,), what the coefficients of each image are to be multiplied by so that they are as usual."""
        q, t, u, a, b = guess.posterior, guess.part, guess.other, self.first, self.second
        total, often = (torch.zeros(self.count, device=q.device) for _ in range(2))
        for ids, axis, part in ((a, 2, t), (b, 1, u)):
            total.index_add_(0, ids.flatten(), (q * part).sum(axis).flatten())
            often.index_add_(0, ids.flatten(), q.sum(axis).flatten())
        return (USUAL[2] * often / total.clamp_min(1e-9)).clamp(0.1, 10)

    def narrowed(self, guess: Guess) -> Guess:
        """Of two images: the two directions of their plane that fit best.

        Encodings of two images are sums with coefficients above zero, so that any two directions beside which all of
        them lie explain them; the nearer these are to each other, the fewer encodings they could explain.
        """
        solved = self._solved(guess)
        judged = self._weighted(self._left(solved))
        values, vectors = torch.linalg.eigh(solved.held.T @ solved.held / len(solved.held))
        frame = (vectors * values.clamp_min(1e-9).sqrt()).T @ solved.images
        middle = torch.linalg.lstsq(frame.T, solved.images.sum(0)[:, None], driver="gelsd").solution[:, 0]
        straight = float(torch.atan2(middle[1], middle[0]))

        def along(angles: tuple[float, float]) -> Tensor:
            at = torch.tensor([straight + a for a in angles], device=frame.device)
            found: Tensor = torch.stack([at.cos(), at.sin()], 1).float() @ frame
            return found

        def worth(angles: tuple[float, float]) -> float:
            return judged._settled(along(angles))[0].score

        grid = [np.pi * i / 12 for i in range(-6, 7)]
        best = max(((a, b) for i, a in enumerate(grid) for b in grid[i + 1 :]), key=worth)
        for step in (np.pi / 24, np.pi / 48, np.pi / 96):
            near = [(best[0] + i * step, best[1] + j * step) for i in (-1, 0, 1) for j in (-1, 0, 1)]
            best = max(near, key=worth)
        return judged._settled(along(best))[0]

    def _fitted(self, m: Moments, sharp: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        p, tight = sharp * TEMPER * self.weight[:, None, None], 1 / SPREAD**2
        pull = tight * USUAL[2]
        aa, bb, ab = p * m.aa + tight, p * m.bb + tight, p * m.ab
        determinant = (aa * bb - ab**2).clamp_min(1e-9)

        def under(sign: float) -> tuple[Tensor, Tensor, Tensor]:
            da, db = sign * p * m.first + pull, sign * p * m.second + pull
            t = ((da * bb - db * ab) / determinant).clamp(LEAST, MOST)
            u = ((db - ab * t) / bb).clamp(LEAST, MOST)
            t = ((da - ab * u) / aa).clamp(LEAST, MOST)
            return t, u, t * da + u * db - (t**2 * aa + u**2 * bb) / 2 - t * u * ab + sign * self.odds / 2

        (t, u, right), (t_turned, u_turned, wrong) = under(1.0), under(-1.0)
        fits = right > wrong
        t, u = torch.where(fits, t, t_turned), torch.where(fits, u, u_turned)
        # how many coefficients would do as well (Laplace): far apart images could explain anything by a few
        score = torch.logaddexp(right, wrong) - pull * USUAL[2] - (determinant / tight**2).log() / 2
        return t, u, torch.tanh((right - wrong) / 2), score


@dataclass(frozen=True, eq=False)
class Few:
    """What was found.

    Attributes:
        answer: members and coefficients.
        per_class: int64 (classes,), images of each class.
        scores: log-likelihood by number of images.
        enough: more were tried, and brought too little.
    """

    answer: Answer
    per_class: IntArray
    scores: dict[int, float]
    enough: bool


def numbers(slots: Slots, grouped: int, n_private: int | None = None) -> list[IntArray]:
    """Images of each class, int64 (classes,), that are worth trying, rising; empty where images cannot be few.

    Args:
        grouped: number of images by grouping; n_private: the stated one.
    """
    totals = slots.totals()
    if slots.classes == 1:
        counts = range(grouped // FEWER if grouped >= MANY else 1, FEW + EVERY) if n_private is None else [n_private]
        fine = [n for n in counts if (n_private or n <= EVERY or n % 2 == 0) and n * SLOTS <= totals[0]]
        return [np.array([n], np.int64) for n in fine]
    found = [np.round(totals / m).astype(np.int64) for m in multiplicities(slots) if m >= SLOTS]
    few = [per_class for per_class in found if per_class.sum() <= FEW]
    if n_private is not None:
        few = [per_class for per_class in few if per_class.sum() == n_private]
    return few[:ALLOWED]


def whitened(mixtures: Callable[[Tensor], Tensor], count: int, shape: Shape, device: torch.device) -> Tensor:
    """float32 (E, D) low frequencies of the unmasked mixtures, over what the strongest directions leave of them.

    Args:
        mixtures: float (n, P) of rows int64 (n,), each known up to its sign; count: E.
    """
    every = torch.arange(count, device=device)
    low = low_frequencies(shape).to(device)
    rows = torch.cat([dct(mixtures(part).float(), shape)[:, low] for part in every.split(_ROWS)])
    some = rows[:: -(-count // SEARCHED)]
    left, rank = some, min(DIRECTIONS, len(some) // 8)
    scale = torch.ones_like(some[0])
    for _ in range(3):  # what images leave is known better each time
        scale = left.square().mean(0).sqrt()
        scale = (scale + 1e-3 * scale.median()).clamp_min(1e-12)
        u, s, v = torch.linalg.svd(some / scale, full_matrices=False)
        left = some - (u[:, :rank] * s[:rank]) @ v[:rank] * scale
    return rows / scale


def few_images(rows: Tensor, slots: Slots, tried: Iterable[IntArray], seed: int) -> Few | None:
    """The images of a release of few; None where one explains as much as more do.

    Args:
        rows: as `whitened` answers them.
        tried: numbers of images of each class, rising.
    """
    step = -(-len(rows) // SEARCHED)
    some, part = rows[::step], slots.every(step)
    found: dict[int, tuple[FreeCouples, Guess, IntArray]] = {}
    best, idle = 0, 0
    for per_class in tried:
        n = int(per_class.sum())
        couples = FreeCouples.free(some, part, images_of(per_class), target=2 * len(some) / n)
        starts = [torch.Generator().manual_seed(seed * 1000 + i) for i in range(RESTARTS)]
        runs = [couples.annealed(couples.random(start), *FROM_NOTHING) for start in starts]
        found[n] = couples, max(runs, key=lambda guess: guess.score), per_class
        score = found[n][1].score
        if best:
            before = max(found[best][1].score, 0.0)
            idle = idle + 1 if score - before <= WORTH * before / best * (n - best) else 0
        best = best if idle else n
        if idle == IDLE:
            break
    if best < 2 or found[best][1].score <= 0:
        return None
    couples, guess, per_class = found[best]
    if step > 1:
        every = FreeCouples.free(rows, slots, images_of(per_class), target=2 * len(rows) / best)
        couples, guess = every, every.annealed(every.explained_by(couples.images(guess)), 1.0, JOINING)
    if per_class.max() == 2 == best:
        guess = couples.narrowed(guess)
    scores = {n: round(g.score, 1) for n, (_, g, _) in found.items()}
    return Few(couples.answer(guess), per_class, scores, enough=idle == IDLE)


def reassigned_freely(rows: Tensor, slots: Slots, per_class: IntArray, members: IntArray) -> Answer:
    """Members and coefficients near an assignment int64 (E, 2), signs being known from images."""
    target = slots.label.size / float(per_class.sum())
    couples = replace(FreeCouples.free(rows, slots, images_of(per_class), target=target), odds=KNOWN)
    start = couples.held_by(np.sort(members, 1), torch.ones(len(members), device=rows.device))
    return couples.answer(couples.annealed(start, *FROM_MEMBERS))


def estimated(slots: Slots, found: Few) -> Slots:
    """With the coefficients found."""
    return replace(slots, mass=found.answer.coefficients, informative=False, estimated=True)


def images_of(per_class: IntArray) -> list[IntArray]:
    """Images of each class, numbered."""
    return [np.arange(n, dtype=np.int64) + k for n, k in zip(per_class, np.cumsum(per_class) - per_class)]
