"""The similarity graph without a network: log odds from inner products of whitened squares.

Two slots i, j of one class: z_ij, the inner product of their features over its own deviation, has mean
rho_ij = a lam_i^2 lam_j^2 sqrt(w_i w_j) if they hold the same image and 0 if not, so the log odds are
rho z - rho^2 / 2.  The one unknown, a, is the likeliest of a grid, with the share of true pairs.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.stages.graph import MAX_COMPLETE, NEIGHBOURS, ClassGraph, nodes_of, strongest
from ihaudit.attacks.stages.labels import Slots

#: grids of the squared signal-to-noise ratio of a typical pair, and of the share of pairs that hold the same image
SIGNAL = np.geomspace(0.05, 8.0, 24)
SHARES = (0.01, 0.03, 0.1, 0.3)


def squares_graph(features: Tensor, weight: Tensor, slots: Slots, *, linear: bool = False) -> list[ClassGraph]:
    """Graph of every class from float32 (E, D) features and row weights (E,), as stage `similarity` leaves them.

    `linear` says that features scale with lam (encodings without a mask) rather than with lam^2.
    """
    graph = []
    for c in range(slots.classes):
        rows, columns = nodes_of(slots, c)
        if len(rows) < 2:
            continue
        index = torch.from_numpy(rows).to(features.device)
        unit = features[index] * weight[index].sqrt()[:, None]
        strength = slots.mass[rows, columns].astype(np.float64) ** (1 if linear else 2)
        strength *= np.sqrt(weight[index].cpu().numpy())
        strength = (strength / np.sqrt((strength**2).mean())).astype(np.float32)
        deviation, signal = _calibrate(unit, strength)
        graph.append(_graph(c, rows, columns, unit, strength, deviation, signal))
    return graph


def _calibrate(unit: Tensor, strength: NDArray[np.float32]) -> tuple[float, float]:
    """Deviation of the inner product of unrelated slots, and the typical rho, from up to 1,500 slots."""
    pick = np.unique(np.linspace(0, len(unit) - 1, min(len(unit), 1500)).astype(int))
    part = unit[torch.from_numpy(pick).to(unit.device)]
    gram = (part @ part.T).cpu().numpy()
    upper = np.triu_indices(len(pick), 1)
    z, rho = gram[upper], (strength[pick][:, None] * strength[pick][None])[upper]
    # most pairs are unrelated: the quartiles are those of the noise
    deviation = max(float(np.quantile(z, 0.75) - np.quantile(z, 0.25)) / 1.349, 1e-12)
    z = z / deviation
    best, signal = -np.inf, float(SIGNAL[0])
    for a in SIGNAL:
        odds = np.exp(np.clip(a * rho * z - (a * rho) ** 2 / 2, -60, 60))
        for share in SHARES:
            likelihood = float(np.log1p(share * (odds - 1)).sum())
            if likelihood > best:
                best, signal = likelihood, float(a)
    return deviation, signal


def _graph(
    c: int,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    unit: Tensor,
    strength: NDArray[np.float32],
    deviation: float,
    signal: float,
) -> ClassGraph:
    n = len(rows)

    def lines(i: int, j: int) -> NDArray[np.float32]:
        z = (unit[i:j] @ unit.T).cpu().numpy() / np.float32(deviation)
        rho = np.float32(signal) * strength[i:j, None] * strength[None]
        return (rho * z - rho**2 / 2).astype(np.float32)

    if n <= MAX_COMPLETE:
        weights = lines(0, n)
        np.fill_diagonal(weights, 0)
        return ClassGraph(c, rows, columns, weights)
    return sparse_graph(c, rows, columns, lines)


def sparse_graph(c: int, rows: NDArray[np.int64], columns: NDArray[np.int64], lines: object) -> ClassGraph:
    """Graph of a large class, of which ``lines(i, j)`` gives the log odds of nodes i..j-1 with all."""
    from scipy.sparse import vstack

    assert callable(lines)
    n = len(rows)
    sample = lines(0, min(n, 512))
    floor = float(np.quantile(sample, 1 - min(0.9, NEIGHBOURS / n)))
    parts = [strongest(lines(i, min(i + 512, n)), i, NEIGHBOURS, floor) for i in range(0, n, 512)]
    half = vstack(parts).tocsr()
    return ClassGraph(c, rows, columns, half.maximum(half.T).tocsr(), floor)
