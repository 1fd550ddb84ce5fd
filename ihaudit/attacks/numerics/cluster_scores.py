"""Scores of encodings against sets of encodings, by the fit to the sets' mean features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.labels import Slots


def cluster_scores(
    features: Tensor,
    weight: Tensor,
    slots: Slots,
    members: NDArray[np.int64],
    of_class: Sequence[NDArray[np.int64]],
    *,
    linear: bool,
) -> NDArray[np.float32]:
    """float32 (E, R): log odds that an encoding holds a set's image, by the fit to the set's mean squares.

    Model and leave-one-out as in `clusters.Statistic`: f_i = lam_i^2 mu_r + noise / sqrt(w_i), against no such image.
    Sets that the labels forbid are -inf.

    Args:
        features: float32 (E, D) whitened squares, or whitened encodings where `linear`; weight: float32 (E,).
        slots: what the labels say.
        members: int64 (E, s), set in each slot, -1 where undecided.
        of_class: ids of the sets of each class, all R in their order.
    """
    device = features.device
    mass = torch.from_numpy(slots.mass).to(device)
    scale = mass if linear else mass**2
    member = torch.from_numpy(members).to(device)
    present = member >= 0
    e, n = len(member), sum(len(ids) for ids in of_class)
    vote = torch.zeros(e, n, device=device)
    vote.scatter_add_(1, member.clamp_min(0), torch.where(present, scale, torch.zeros_like(scale)))
    alpha = vote * weight[:, None]
    alpha = alpha / ((alpha * vote).sum(0) + 1e-6)
    means = alpha.T @ features
    dots = features @ means.T
    norms = (means**2).sum(1)
    leverage = (alpha * vote).clamp_max(0.9)
    left_out = (dots - alpha * (features**2).sum(1, keepdim=True)) / (1 - leverage)
    out = torch.full((e, n), -torch.inf, device=device)
    for c, ids in enumerate(of_class):
        held = torch.from_numpy(slots.label == c).to(device)
        rows = held.any(1).nonzero()[:, 0]
        if len(ids) == 0 or len(rows) == 0:
            continue
        own = (scale * held).amax(1)[rows, None]
        columns = torch.from_numpy(ids).to(device)
        fit = own * left_out[rows][:, columns] - own**2 * norms[columns] / 2
        out[rows[:, None], columns[None]] = weight[rows, None] * fit
    return out.cpu().numpy()
