"""The last public images of a mixture: fainter ones than `match` sees, by what is left of it, place by place.

Released labels state what the private coefficients sum to, and all coefficients sum to one: how much of the mixture is
still unexplained is known then, and a faint public image is believed more readily where something is missing, and
hardly where nothing is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.single.fit import fit_coefficients
from ihaudit.attacks.single.local import LocalFilter
from ihaudit.attacks.single.match import Matches
from ihaudit.attacks.single.posterior import Recolourer

#: A score is believed while it exceeds the largest expected by chance, sqrt(2 ln M), by this much: where nothing is
#: known of what is missing; where nothing is missing; and where `_CLEARLY` or more is.
_EXCESS, _EXCESS_NOTHING, _EXCESS_MISSING = 0.5, 1.3, -0.2
_CLEARLY = 0.04
#: What a public image was found by need not be exceeded again for it to stay.
_STAYS = 0.3
#: Own mixtures on which chance is measured.
CALIBRATION = 128
#: Encodings from which on the spread of their largest scores by chance is measured.
_FEWEST_ENCODINGS = 20
_LIMITS = (0.005, 0.7)  # of a coefficient to begin a fit with


def calibrate(recolourer: Recolourer, search: LocalFilter, rng: np.random.Generator) -> None:
    """Measure what scores are by chance, on own mixtures of which all but the strongest image is known."""
    candidates, high = search.candidates, 6
    k = rng.integers(3, high + 1, CALIBRATION)
    c = np.abs(rng.standard_normal((CALIBRATION, high))) * (np.arange(high)[None] < k[:, None])
    weights = torch.from_numpy((c / c.sum(1, keepdims=True)).astype(np.float32))
    members = torch.from_numpy(rng.integers(0, len(candidates), (CALIBRATION, high)))
    x = candidates.images(members.reshape(-1)).reshape(CALIBRATION, high, *candidates.mean.shape[1:])
    magnitude = torch.einsum("bk,bkchw->bchw", weights, x).abs()
    strongest = weights.argmax(1, keepdim=True)
    known = torch.einsum("bk,bkchw->bchw", weights.scatter(1, strongest, 0.0), x)
    explained = known + weights.gather(1, strongest)[..., None, None] * candidates.mean
    logits = search.prior.resigned(recolourer.logits(magnitude, known), magnitude, explained)
    search.calibrate(magnitude * logits.sign() - explained, members)


@dataclass(eq=False)
class _State:
    """One row per encoding; `images` is (E, limit, C, H, W), zero where there is no member."""

    members: Tensor
    coefficients: Tensor
    scores: Tensor
    images: Tensor
    logits: Tensor
    network: Tensor

    @property
    def known(self) -> Tensor:
        return torch.einsum("rk,rkchw->rchw", self.coefficients, self.images)


class Finisher:
    """Goes on where `Matcher` ends."""

    def __init__(
        self, recolourer: Recolourer, search: LocalFilter, excess: float | None = None, sweeps: int = 1
    ) -> None:
        """`excess` instead of `_EXCESS` and what labels say; `sweeps` revisions of all choices."""
        self.recolourer, self.search, self.excess, self.sweeps = recolourer, search, excess, sweeps
        self.mean = search.candidates.mean
        self.chance = math.sqrt(2 * math.log(max(2, len(search.candidates))))

    def run(
        self,
        matches: Matches,
        magnitude: Tensor,
        private_sum: Tensor | None = None,
        progress: Callable[[float], None] = lambda _: None,
    ) -> Matches:
        """`matches` with fainter images, and without those that do not stand out.

        Args:
            matches: of the encodings.
            magnitude: float32 (E, C, H, W).
            private_sum: (E,) sums of private coefficients, where labels tell them.
        """
        self.magnitude, self.private_sum = magnitude, private_sum
        state = self._state(matches)
        self._grow(state)
        for sweep in range(self.sweeps):
            progress((1 + sweep) / (1 + self.sweeps))
            self._revise(state)
            self._grow(state)
        return self._matches(state)

    def stand_out(self, matches: Matches, magnitude: Tensor) -> tuple[Tensor, Tensor]:
        """Whether any public image is in an encoding, asked anew: of signs that know nothing of the strongest found.

        What a search has chosen, from many and by signs that it shaped itself, stands out even where it is wrong.
        So the strongest member is taken out, the network looks again, and the public set is searched once.  What the
        best score is by chance shows the mirrored set, which is in no encoding: equally likely pictures, searched in
        the same remainder less the best image (of which a symmetric picture's mirror, or a mirrored copy in the set,
        would be taken for chance).

        Args:
            matches: of the encodings.
            magnitude: float32 (E, C, H, W).

        Returns:
            (E,) best score given the other members, and (E,) the mirrored set's.
        """
        self.magnitude = magnitude
        e, rows = len(magnitude), torch.arange(len(magnitude))
        state = self._state(matches)
        strongest = state.scores.argmax(1)
        fitted, taken = state.coefficients[rows, strongest], state.members[rows, strongest]
        state.members[rows, strongest] = -1
        state.coefficients[rows, strongest] = 0.0
        state.images[rows, strongest] = 0.0
        self._look(state, rows)
        rest = magnitude * state.logits.sign() - self._explained(state.coefficients, state.images)
        score, index, c = self.search.best(self.search.prior.gradient(rest), state.members)
        c = torch.where(index == taken, fitted, c)
        rest = rest - c[:, None, None, None] * (self._images(index) - self.mean)
        nobody = torch.full((e, 1), -1)
        chance, _, _ = self.search.best(self.search.prior.gradient(rest.flip(-1)), nobody)
        return score, chance

    def exceeded_by_chance(self, chance: Tensor, level: float) -> float:
        """What the largest score by chance exceeds in a share `level` of encodings.

        Args:
            chance: (E,) largest scores by chance.
            level: in (0, 1).

        Returns:
            The quantile of a Gumbel distribution, which largest values of many follow, with the quartiles of `chance`:
            a few encodings in which more than chance was seen do not count.  Where there are too few encodings, what
            `run` asks of a first image.
        """
        if len(chance) < _FEWEST_ENCODINGS:
            return self.chance + _EXCESS_NOTHING
        at = torch.tensor([0.25, 0.5, 0.75, 1 - level], dtype=torch.float64)
        low, middle, high, far = (-(-at.log()).log()).tolist()  # of the standard Gumbel distribution
        first, median, third = chance.double().quantile(at[:3]).tolist()
        result: float = median + (third - first) / (high - low) * (far - middle)
        return result

    def emptied(self, matches: Matches, magnitude: Tensor, rows: Tensor) -> Matches:
        """`matches`, with nothing found in the encodings `rows` (n,)."""
        if not len(rows):
            return matches
        self.magnitude = magnitude
        state = self._state(matches)
        state.members[rows], state.coefficients[rows], state.scores[rows], state.images[rows] = -1, 0.0, 0.0, 0.0
        self._look(state, rows)
        return self._matches(state)

    def _state(self, matches: Matches) -> _State:
        e, limit = matches.members.shape
        images = self._images(matches.members.reshape(-1)).reshape(e, limit, *matches.logits.shape[1:])
        tensors = (matches.members, matches.coefficients, matches.scores, images, matches.logits, matches.network)
        return _State(*(t.clone() for t in tensors))

    def _matches(self, state: _State) -> Matches:
        order = state.coefficients.argsort(1, descending=True)
        members, c, scores = (t.gather(1, order) for t in (state.members, state.coefficients, state.scores))
        return Matches(members, c, scores, state.logits, state.known, state.network)

    def _images(self, members: Tensor) -> Tensor:
        images = self.search.candidates.images(members.clamp_min(0))
        return torch.where((members >= 0)[:, None, None, None], images, 0.0)

    def _look(self, state: _State, rows: Tensor) -> None:
        """Signs, then coefficients, given what is known of these rows."""
        magnitude, c, images = self.magnitude[rows], state.coefficients[rows], state.images[rows]
        known = torch.einsum("rk,rkchw->rchw", c, images)
        state.network[rows] = self.recolourer.logits(magnitude, known, mirror=True)
        logits = self.search.prior.resigned(state.network[rows], magnitude, self._explained(c, images))
        used = state.members[rows] >= 0
        state.logits[rows] = logits
        state.coefficients[rows] = fit_coefficients(logits, magnitude, images - self.mean, used, self.mean, c)

    def _explained(self, c: Tensor, images: Tensor) -> Tensor:
        left = (1 - c.sum(1)).clamp_min(0)[:, None, None, None]
        return torch.einsum("rk,rkchw->rchw", c, images) + left * self.mean

    def _threshold(self, c: Tensor, rows: Tensor) -> Tensor:
        """(r,) given the coefficients (r, limit) of what counts as known.

        What is missing points to the public set only where another of its images is in the mixture.
        """
        if self.excess is not None:
            excess = torch.full((len(rows),), self.excess)
        elif self.private_sum is None:
            excess = torch.full((len(rows),), _EXCESS)
        else:
            missing = (1 - self.private_sum[rows] - c.sum(1)).div(_CLEARLY).clamp(0, 1)
            excess = _EXCESS_NOTHING + missing * (_EXCESS_MISSING - _EXCESS_NOTHING)
        return self.chance + torch.where((c > 0).any(1), excess, _EXCESS_NOTHING)

    def _best(self, state: _State, rows: Tensor, c: Tensor, exclude: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mixture = self.magnitude[rows] * state.logits[rows].sign()
        gradient = self.search.prior.gradient(mixture - self._explained(c, state.images[rows]))
        return self.search.best(gradient, exclude)

    def _grow(self, state: _State) -> None:
        """Add the image that stands out most until none does; a last look at every encoding is part of it."""
        rows = torch.arange(len(state.members))
        while len(rows):
            self._look(state, rows)
            c, members = state.coefficients[rows], state.members[rows]
            score, index, start = self._best(state, rows, c, members)
            grows = (score > self._threshold(c, rows)) & (members < 0).any(1)
            rows, score, index, start = (t[grows] for t in (rows, score, index, start))
            slot = (members[grows] < 0).float().argmax(1)
            state.members[rows, slot], state.scores[rows, slot] = index, score
            state.coefficients[rows, slot] = start.clamp(*_LIMITS)
            state.images[rows, slot] = self._images(index)

    def _revise(self, state: _State) -> None:
        """Each choice is made again given all others."""
        for slot in range(state.members.shape[1]):
            rows = torch.nonzero(state.members[:, slot] >= 0)[:, 0]
            if not len(rows):
                continue
            others, c = state.members[rows], state.coefficients[rows]
            others[:, slot], c[:, slot] = -1, 0.0
            score, index, start = self._best(state, rows, c, others)
            before = state.members[rows, slot]
            keep = score > self._threshold(c, rows) - _STAYS * (index == before)
            index = torch.where(keep, index, -1)
            same = index == before
            state.members[rows, slot], state.scores[rows, slot] = index, torch.where(keep, score, 0.0)
            fresh = torch.where(keep, start.clamp(*_LIMITS), 0.0)
            state.coefficients[rows, slot] = torch.where(same, state.coefficients[rows, slot], fresh)
            state.images[rows, slot] = self._images(index)
