"""Values of private images that stick at a wrong local optimum, found out by the public part that is known.

Without public images a set of values at one pixel and their negatives fit alike, and where phase retrieval chose
differently from its surroundings, expected masks keep choosing so.  With the public part of the mixtures known the two
are told apart: the exact likelihood of each value and of an alternative is summed over all encodings that hold it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ihaudit.attacks.numerics.em import log_likelihood
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.public_system import PublicSystem
from ihaudit.attacks.numerics.restarts import blurred

#: Log-likelihood by which an alternative must be better.
MARGIN = 3.0
BLOCK = 512
#: An image is stuck while less than this share of its encodings is explained; values tried for such images.
STUCK, LEVELS = 0.3, 13


def restart_values(system: PublicSystem) -> float:
    """Replaces values of `system.images` by better alternatives; the share replaced.

    Tried in turn: all images negated at one pixel, single images negated, single images as their surroundings, and for
    images of which few encodings are explained, values all over the range.
    """
    before = system.images.clone()
    better = _whole_pixels(system) > MARGIN
    system.images = torch.where(better[None], -system.images, system.images)
    every = torch.arange(len(system.noise))
    for other in (-system.images, blurred(system.images, system.shape, 1.0, 0.3)):
        gain = _single_values(system, other, every)
        system.images = torch.where(gain > MARGIN, other, system.images)
    _search_values(system)
    return float((system.images != before).float().mean())


def _whole_pixels(system: PublicSystem) -> Tensor:
    """float32 (P,): what negating all private images at a pixel gains."""

    def part(rows: Tensor) -> Tensor:
        y, tau2 = system.values[rows], system.noise[rows, None]
        private, public = system.private(rows), system.public(rows)
        return (log_likelihood(y, public - private, tau2) - log_likelihood(y, public + private, tau2)).sum(0)

    parts = run_jobs(part, list(torch.arange(len(system.noise)).split(BLOCK)))
    return torch.stack(parts).sum(0)


def _search_values(system: PublicSystem) -> None:
    """Coordinate search over `LEVELS` values for images of which few encodings are explained while others' are."""
    explained = system.explained()
    if float(explained.float().mean()) < STUCK:
        return
    n = len(system.images)
    total, known = torch.zeros(n), torch.zeros(n)
    for slot in range(system.members.shape[1]):
        some = system.members[:, slot] >= 0
        member = system.members[some, slot]
        total.index_add_(0, member, torch.ones(len(member)))
        known.index_add_(0, member, explained[some].float())
    stuck = known < STUCK * total
    rows = torch.nonzero(((system.members >= 0) & stuck[system.members.clamp_min(0)]).any(1) & ~explained)[:, 0]
    if len(rows) == 0:
        return
    low, high = system.image_range
    values, best = system.images, torch.full_like(system.images, MARGIN)
    for level in torch.linspace(low, high, LEVELS).tolist():
        other = torch.where(stuck[:, None], torch.full_like(system.images, level), system.images)
        gain = _single_values(system, other, rows)
        values, best = torch.where(gain > best, other, values), torch.maximum(gain, best)
    system.images = values


def _single_values(system: PublicSystem, other: Tensor, rows: Tensor) -> Tensor:
    """float32 (N, P): what each value alone gains by its alternative in `other`, over some encodings."""
    step = other - system.images

    def part(rows: Tensor) -> Tensor:
        y, tau2 = system.values[rows], system.noise[rows, None]
        pred = system.private(rows) + system.public(rows)
        now = log_likelihood(y, pred, tau2)
        gain = torch.zeros_like(step)
        for slot in range(system.members.shape[1]):
            member = system.members[rows, slot]
            some = member >= 0
            weight = system.coefficients[rows, slot][some, None]
            moved = pred[some] + weight * step[member[some]]
            gain.index_add_(0, member[some], log_likelihood(y[some], moved, tau2[some]) - now[some])
        return gain

    total = torch.zeros_like(step)
    blocks = list(rows.split(BLOCK))
    for i in range(0, len(blocks), 4):  # a few partial sums at a time, added in order
        for gain in run_jobs(part, blocks[i : i + 4]):
            total += gain
    return total
