"""Which public images are in a mixture, and with what coefficients: matched filters, beam search, joint re-fits.

Carlini et al. 2021, section 4.8.1: compare the recoloured mixture with every public image, subtract the most similar
one, recurse.  Here similarity is a whitened matched filter calibrated on own mixtures (scores are standard normal for
images that are not in the mixture), coefficients are fitted jointly instead of guessed as 1/k, the network looks again
at the encoding after every image found, several hypotheses are kept, and early choices are revised in the light of
later ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ihaudit.attacks.numerics.candidates import Candidates, Response
from ihaudit.attacks.single.calibrate import Calibration
from ihaudit.attacks.single.fit import fit_coefficients
from ihaudit.attacks.single.posterior import Recolourer, mean_and_variance

#: Hypotheses whose evidence is below this share of the best one's are given up.
_HOPELESS = 0.4


@dataclass(frozen=True)
class MatchConfig:
    """Search effort.

    Attributes:
        limit: public images sought per encoding at most.
        beam: hypotheses kept per encoding.
        branch: continuations tried per hypothesis and round.
        sweeps: revisions of all choices at the end.
        excess: a public image is accepted while its score exceeds the largest expected of all M by chance,
            sqrt(2 ln M), by this much.
    """

    limit: int = 6
    beam: int = 4
    branch: int = 2
    sweeps: int = 2
    excess: float = 1.2


@dataclass(frozen=True, eq=False)
class Matches:
    """Per encoding: public images found (-1 for none), coefficients, scores; the network's last look at it.

    Attributes:
        members: int64 (E, limit), largest coefficient first.
        coefficients, scores: float32 (E, limit), 0 where members is -1.
        logits: float32 (E, C, H, W) sign log odds given the known part.
        known: float32 (E, C, H, W) the part of the mixture that is explained.
        network: float32 (E, C, H, W) as `logits`, by the network alone: what is known of how often it is right.
    """

    members: Tensor
    coefficients: Tensor
    scores: Tensor
    logits: Tensor
    known: Tensor
    network: Tensor

    def rows(self, which: slice) -> Matches:
        """Of some encodings."""
        return Matches(*(getattr(self, f)[which] for f in self.__dataclass_fields__))


@dataclass(eq=False)
class _Beam:
    """Hypotheses, one per row: which encoding, which members, their coefficients, and the network's posterior mean."""

    row: Tensor  # (R,)
    members: Tensor  # (R, limit), -1 for none
    coefficients: Tensor  # (R, limit)
    score: Tensor  # (R,) sum of squared scores
    scores: Tensor  # (R, limit) when each member was last chosen
    images: Tensor  # (R, limit, C, H, W)
    logits: Tensor

    def take(self, index: Tensor) -> _Beam:
        return _Beam(*(getattr(self, f)[index] for f in self.__dataclass_fields__))

    @property
    def known(self) -> Tensor:
        return torch.einsum("rk,rkchw->rchw", self.coefficients, self.images)


class Matcher:
    """Matches a batch of encodings against one public set."""

    def __init__(
        self, recolourer: Recolourer, candidates: Candidates, calibration: Calibration, config: MatchConfig
    ) -> None:
        self.recolourer, self.candidates, self.calibration, self.config = recolourer, candidates, calibration, config
        self.threshold = math.sqrt(2 * math.log(max(2, len(candidates)))) + config.excess

    def run(self, magnitude: Tensor, progress: Callable[[float], None] = lambda _: None) -> Matches:
        """`magnitude`: float32 (E, C, H, W), |m| of images on [-1, 1]."""
        self.magnitude = magnitude
        beam = self._begin()
        rounds = self.config.limit + self.config.sweeps
        for size in range(1, self.config.limit):
            progress(size / rounds)
            self._look(beam)
            self._refit(beam)
            grown = self._grow(beam, size)
            if grown is None:
                break
            beam = grown
        self._look(beam)
        self._refit(beam)
        for sweep in range(self.config.sweeps):
            progress((self.config.limit + sweep) / rounds)
            self._revise(beam, last=sweep == self.config.sweeps - 1)
        return self._answer(beam.take(_survivors(beam, 1)))

    # -- steps ------------------------------------------------------------------------------------------------------

    def _begin(self) -> _Beam:
        """The first image, under both global signs."""
        e, limit, shape = len(self.magnitude), self.config.limit, self.magnitude.shape[1:]
        logits = self.recolourer.logits(self.magnitude, mirror=True)
        mean, _ = mean_and_variance(logits, self.magnitude)
        both = torch.cat([mean, -mean])
        score, index, c = self._search(both - self.candidates.mean, self.calibration.blind, self.config.beam, None)
        # (2E, beam) -> (E, 2 * beam)
        score, index, c = (torch.cat([t[:e], t[e:]], 1) for t in (score, index, c))
        top = score.topk(min(self.config.beam, score.shape[1]), dim=1).indices
        n = top.shape[1]
        row = torch.arange(e).repeat_interleave(n)
        members = torch.full((e * n, limit), -1, dtype=torch.int64)
        members[:, 0] = index.gather(1, top).reshape(-1)
        coefficients = torch.zeros(e * n, limit)
        coefficients[:, 0] = c.gather(1, top).reshape(-1).clamp(0.02, 0.7)
        images = torch.zeros(e * n, limit, *shape)
        images[:, 0] = self.candidates.images(members[:, 0])
        value = score.gather(1, top).reshape(-1)
        scores = torch.zeros(e * n, limit)
        scores[:, 0] = value
        return _Beam(row, members, coefficients, value.clamp_min(0) ** 2, scores, images, logits[row])

    def _look(self, beam: _Beam, *, mirror: bool = False) -> None:
        beam.logits = self.recolourer.logits(self.magnitude[beam.row], beam.known, mirror=mirror)

    def _residual(self, beam: _Beam, without: int | None = None) -> Tensor:
        """Posterior mean minus the explained part (optionally without one member), centred: (R, P)."""
        mean, _ = mean_and_variance(beam.logits, self.magnitude[beam.row])
        c = beam.coefficients
        if without is not None:
            c = c.clone()
            c[:, without] = 0
        left = (1 - c.sum(1)).clamp_min(0)[:, None, None, None]
        return mean - torch.einsum("rk,rkchw->rchw", c, beam.images) - left * self.candidates.mean

    def _search(
        self, residual: Tensor, response: Response, count: int, exclude: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores (standard normal by chance), indices and single coefficients of the best public images."""
        return self.candidates.best(self.candidates.basis.forward(residual), response, count, exclude)

    def _refit(self, beam: _Beam) -> None:
        beam.coefficients = fit_coefficients(
            beam.logits,
            self.magnitude[beam.row],
            beam.images - self.candidates.mean,
            beam.members >= 0,
            self.candidates.mean,
            beam.coefficients,
        )

    def _grow(self, beam: _Beam, size: int) -> _Beam | None:
        """Every hypothesis goes on with its best continuations, or stays as it is; the best per encoding survive."""
        residual = self._residual(beam)
        score, index, c = self._search(residual, self.calibration.informed, self.config.branch, beam.members)
        accepted = score > self.threshold
        if not accepted.any():
            return None
        kept = [beam]
        for b in range(score.shape[1]):
            rows = torch.nonzero(accepted[:, b])[:, 0]
            if not len(rows):
                continue
            new = beam.take(rows)
            slot = (new.members >= 0).sum(1)
            fits = slot < self.config.limit
            new, rows, slot = new.take(fits), rows[fits], slot[fits]
            at = torch.arange(len(rows))
            new.members = new.members.clone()
            new.members[at, slot] = index[rows, b]
            new.coefficients = new.coefficients.clone()
            new.coefficients[at, slot] = c[rows, b].clamp(0.01, 0.7)
            new.images = new.images.clone()
            new.images[at, slot] = self.candidates.images(index[rows, b])
            new.score = new.score + score[rows, b] ** 2
            new.scores = new.scores.clone()
            new.scores[at, slot] = score[rows, b]
            kept.append(new)
        whole = _Beam(*(torch.cat([getattr(k, f) for k in kept]) for f in beam.__dataclass_fields__))
        return whole.take(_survivors(whole, self.config.beam))

    def _revise(self, beam: _Beam, last: bool) -> None:
        """Each choice is made again given all others; members that no longer stand out are dropped.

        A hypothesis' only member is dropped in the `last` revision only: before, it is what later ones build on.
        """
        for slot in range(self.config.limit):
            used = beam.members[:, slot] >= 0
            if not used.any():
                continue
            others = beam.members.clone()
            others[:, slot] = -1
            score, index, c = self._search(self._residual(beam, slot), self.calibration.informed, 1, others)
            keep = score[:, 0] > self.threshold
            if not last:
                keep |= (others < 0).all(1)
            keep &= used
            beam.members[:, slot] = torch.where(keep, index[:, 0], -1)
            beam.coefficients[:, slot] = torch.where(keep, c[:, 0].clamp(0.0, 0.8), 0.0)
            beam.images[:, slot] = torch.where(keep[:, None, None, None], self.candidates.images(index[:, 0]), 0.0)
            beam.scores[:, slot] = torch.where(keep, score[:, 0], 0.0)
        beam.score = beam.scores.clamp_min(0).square().sum(1)
        for _ in range(2):
            self._look(beam, mirror=last)
            self._refit(beam)

    def _answer(self, beam: _Beam) -> Matches:
        order = beam.coefficients.argsort(1, descending=True)
        members, c, scores = (t.gather(1, order) for t in (beam.members, beam.coefficients, beam.scores))
        return Matches(members, c, scores, beam.logits, beam.known, beam.logits)


def _survivors(beam: _Beam, count: int) -> Tensor:
    """Rows of the `count` best distinct hypotheses of every encoding, in order of encodings."""
    order = torch.argsort(beam.score, descending=True, stable=True).tolist()
    rows, sets = beam.row.tolist(), [frozenset(m for m in x if m >= 0) for x in beam.members.tolist()]
    taken: dict[int, set[frozenset[int]]] = {}
    keep = []
    best: dict[int, float] = {}
    score = beam.score.tolist()
    for i in order:
        mine = taken.setdefault(rows[i], set())
        if score[i] < _HOPELESS * best.setdefault(rows[i], score[i]):
            continue
        if len(mine) < count and sets[i] not in mine:
            mine.add(sets[i])
            keep.append(i)
    keep.sort(key=lambda i: (rows[i], -score[i]))
    return torch.tensor(keep, dtype=torch.int64)
