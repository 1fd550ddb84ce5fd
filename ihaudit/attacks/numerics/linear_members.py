"""Which private images an encoding without a mask holds, the images being what the encodings make of them.

Each slot takes its best image given the others, images and members in turn.  That moves one encoding at a time, so it
never leaves an optimum in which one image stands for two and another for none: images with far too many encodings are
taken apart then, in favour of images with far too few (as `split_merge` does for clusters), if clearly more is
explained after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ihaudit.attacks.numerics.labels import IntArray
from ihaudit.attacks.numerics.members import Products, conditional_modes

#: encodings of an image, as a share of what an image of its class has on average, from which it may stand for two
#: images, and up to which it may stand for none
CROWDED, DESERTED = 1.4, 0.6
#: rounds of moves at most, and the share of the unexplained that a round must explain: 0.12 to 0.48 where images
#: were merged (embedded photographs, seeds 0 to 3); at most 0.04, nothing gained, where noise decides (DP-InstaHide)
ROUNDS, WORTH = 6, 0.05
#: steps of the two means into which the encodings of an image are taken apart
_STEPS = 10


def linear_modes(
    features: Tensor,
    weight: Tensor,
    label: Tensor,
    mass: Tensor,
    members: Tensor,
    of_class: Sequence[IntArray],
    *,
    sweeps: int = 3,
) -> Tensor:
    """Members int64 (E, s) from whitened encodings float32 (E, D) and their weights (E,).

    Args:
        features: whitened encodings; weight: of each of them.
        label: int64 (E, s), class in each slot, -1 for an unused one; mass: float32 (E, s) coefficients.
        members: int64 (E, s) to begin with, -1 for none.
        of_class: images of each class.
        sweeps: over all slots, at first and after every round of moves.
    """
    found = _settled(features, weight, label, mass, members, of_class, sweeps)
    for _ in range(ROUNDS):
        moved = _resettled(features, label, mass, found, of_class)
        if moved is None:
            break
        trial = _settled(features, weight, label, mass, moved, of_class, sweeps)
        if trial.unexplained > (1 - WORTH) * found.unexplained:
            break
        found = trial
    return found.members


@dataclass(frozen=True, eq=False)
class _Fit:
    """members int64 (E, s); images float32 (N, D) in feature space; rest float32 (E, D); the weighted energy of it."""

    members: Tensor
    images: Tensor
    rest: Tensor
    unexplained: float


def _settled(
    features: Tensor,
    weight: Tensor,
    label: Tensor,
    mass: Tensor,
    members: Tensor,
    of_class: Sequence[IntArray],
    sweeps: int,
) -> _Fit:
    """Every sweep solves for the images' features, then lets each slot take its best image given the others, its own
    contribution to that image taken out."""
    count = sum(len(ids) for ids in of_class)
    for sweep in range(sweeps + 1):
        c = torch.zeros(len(members), count, device=features.device)
        c.scatter_add_(1, members.clamp_min(0), torch.where(members >= 0, mass, torch.zeros_like(mass)))
        weighted = c * weight[:, None]
        gram = weighted.T @ c
        gram += 1e-4 * gram.diagonal().mean().clamp_min(1e-8) * torch.eye(count, device=c.device)
        inverse = torch.linalg.inv(gram)
        images = inverse @ (weighted.T @ features)
        rest = features - c @ images
        power = (rest**2).sum(1)
        if sweep == sweeps:
            break
        leverage = ((c @ inverse) * weighted).sum(1).clamp_max(0.9)
        observed = Products(features @ images.T, images @ images.T, torch.ones_like(weight))
        # the present image explains this encoding's own noise; leaving the encoding out takes that share away
        own_noise = leverage / (1 - leverage) * power
        # the images hold nothing of undecided slots, so that what these take is a guess until the next solution
        members, _ = conditional_modes(
            observed, label, mass, members, of_class, sweeps=1, handicap=own_noise, undecided=False
        )
    return _Fit(members, images, rest, float((weight * power).sum()))


def _resettled(
    features: Tensor, label: Tensor, mass: Tensor, found: _Fit, of_class: Sequence[IntArray]
) -> Tensor | None:
    """Members after crowded images gave a part of their encodings to deserted ones of their class; None for no move."""
    members = found.members.clone()
    held = torch.bincount(members[members >= 0], minlength=len(found.images))
    moved = False
    for ids in of_class:
        index = torch.from_numpy(ids).to(members.device)
        counts = held[index]
        usual = float(counts.float().mean()) if len(ids) else 0.0
        order = torch.argsort(counts, stable=True)
        deserted = [i for i in order.tolist() if counts[i] < DESERTED * usual]
        crowded = [i for i in order.flip(0).tolist() if counts[i] > CROWDED * usual]
        for empty, full in zip(deserted, crowded, strict=False):
            rows, slots = torch.nonzero(members == index[full], as_tuple=True)
            amount = mass[rows, slots].clamp_min(1e-3)[:, None]
            fewer = _smaller_half(found.images[index[full]] + found.rest[rows] / amount)
            if fewer is not None:
                members[rows[fewer], slots[fewer]] = index[empty]
                moved = True
    return members if moved else None


def _smaller_half(values: Tensor) -> Tensor | None:
    """Which of (n, D) belong to the smaller of two means, begun along the direction in which they differ most; None
    where there are no two."""
    centred = values - values.mean(0)
    vectors = torch.linalg.eigh(centred @ centred.T).eigenvectors
    half: Tensor = vectors[:, -1] > 0
    for _ in range(_STEPS):
        if half.all() or not half.any():
            return None
        near, far = values[half].mean(0), values[~half].mean(0)
        half = ((values - near) ** 2).sum(1) < ((values - far) ** 2).sum(1)
    if half.all() or not half.any():
        return None
    return half if int(half.sum()) <= len(half) // 2 else ~half
