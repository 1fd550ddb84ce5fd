"""Values of private images that stick at a wrong local optimum, found out by the public part that is known.

Without public images a set of values at one pixel and their negatives fit alike, and where phase retrieval chose
differently from its surroundings, expected masks keep choosing so.  With the public part of the mixtures known the two
are told apart: the exact likelihood of each value and of an alternative is summed over all encodings that hold it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.restarts import blurred

if TYPE_CHECKING:
    from ihaudit.attacks.numerics.public_problem import Problem

#: Log-likelihood by which an alternative must be better.
MARGIN = 3.0
BLOCK = 512
#: An image is stuck while less than this share of its encodings is explained; values tried for such images.
STUCK, LEVELS = 0.3, 13


def restart_values(problem: Problem) -> float:
    """Replaces values of `problem.images` by better alternatives; the share replaced.

    Tried in turn: all images negated at one pixel, single images negated, single images as their surroundings, and for
    images of which few encodings are explained, values all over the range.
    """
    before = problem.images.clone()
    better = _whole_pixels(problem) > MARGIN
    problem.images = torch.where(better[None], -problem.images, problem.images)
    every = torch.arange(len(problem.noise))
    for other in (-problem.images, blurred(problem.images, problem.shape, 1.0, 0.3)):
        gain = _single_values(problem, other, every)
        problem.images = torch.where(gain > MARGIN, other, problem.images)
    _search_values(problem)
    return float((problem.images != before).float().mean())


def _fit(y: Tensor, pred: Tensor, tau2: Tensor) -> Tensor:
    """Folded-normal log-likelihood up to a constant of each value."""
    z = (y * pred / tau2).abs()
    return z + torch.log1p(torch.exp(-2 * z)) - pred**2 / (2 * tau2)


def _whole_pixels(problem: Problem) -> Tensor:
    """float32 (P,): what negating all private images at a pixel gains."""

    def part(rows: Tensor) -> Tensor:
        y, tau2 = problem.values[rows], problem.noise[rows, None]
        private, public = problem.private(rows), problem.public(rows)
        return (_fit(y, public - private, tau2) - _fit(y, public + private, tau2)).sum(0)

    parts = run_jobs(part, list(torch.arange(len(problem.noise)).split(BLOCK)))
    return torch.stack(parts).sum(0)


def _search_values(problem: Problem) -> None:
    """Coordinate search over `LEVELS` values for images of which few encodings are explained while others' are."""
    explained = problem.explained()
    if float(explained.float().mean()) < STUCK:
        return
    n = len(problem.images)
    total, known = torch.zeros(n), torch.zeros(n)
    for slot in range(problem.members.shape[1]):
        some = problem.members[:, slot] >= 0
        member = problem.members[some, slot]
        total.index_add_(0, member, torch.ones(len(member)))
        known.index_add_(0, member, explained[some].float())
    stuck = known < STUCK * total
    rows = torch.nonzero(((problem.members >= 0) & stuck[problem.members.clamp_min(0)]).any(1) & ~explained)[:, 0]
    if len(rows) == 0:
        return
    low, high = problem.image_range
    values, best = problem.images, torch.full_like(problem.images, MARGIN)
    for level in torch.linspace(low, high, LEVELS).tolist():
        other = torch.where(stuck[:, None], torch.full_like(problem.images, level), problem.images)
        gain = _single_values(problem, other, rows)
        values, best = torch.where(gain > best, other, values), torch.maximum(gain, best)
    problem.images = values


def _single_values(problem: Problem, other: Tensor, rows: Tensor) -> Tensor:
    """float32 (N, P): what each value alone gains by its alternative in `other`, over some encodings."""
    step = other - problem.images

    def part(rows: Tensor) -> Tensor:
        y, tau2 = problem.values[rows], problem.noise[rows, None]
        pred = problem.private(rows) + problem.public(rows)
        now = _fit(y, pred, tau2)
        gain = torch.zeros_like(step)
        for slot in range(problem.members.shape[1]):
            member = problem.members[rows, slot]
            some = member >= 0
            weight = problem.coefficients[rows, slot][some, None]
            moved = pred[some] + weight * step[member[some]]
            gain.index_add_(0, member[some], _fit(y[some], moved, tau2[some]) - now[some])
        return gain

    total = torch.zeros_like(step)
    blocks = list(rows.split(BLOCK))
    for i in range(0, len(blocks), 4):  # a few partial sums at a time, added in order
        for gain in run_jobs(part, blocks[i : i + 4]):
            total += gain
    return total
