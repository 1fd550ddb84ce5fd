"""The similarity graph without a network: log odds from inner products of whitened squares.

Two slots i, j of one class: the inner product z_ij of their unit features has mean 0 if they hold different images and
a r_ij if they hold the same one, r_ij = lam_i^2 lam_j^2 sqrt(w_i w_j).  Its deviation grows with r (two strong slots
show two images, which resemble each other or not, not noise) and is measured in bins of r; its tails are heavy, so the
log odds are those of Student's t.  The one unknown, a, is the likeliest of a grid, with the share of true pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.graph import ClassGraph, class_graph, nodes_of
from ihaudit.attacks.numerics.labels import Slots

#: grids of the signal-to-noise ratio of a typical pair, and of the share of pairs that hold the same image
SIGNAL = np.geomspace(0.05, 8.0, 24)
SHARES = (0.01, 0.03, 0.1, 0.3)
#: degrees of freedom of the tails
FREEDOM = 5


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
        graph.append(_graph(c, rows, columns, unit, strength, _calibrate(unit, strength)))
    return graph


@dataclass(frozen=True)
class _Scale:
    """Deviation of unrelated pairs at some strengths r (increasing), and the mean of related ones per r."""

    strengths: NDArray[np.float64]
    deviations: NDArray[np.float64]
    signal: float

    def log_odds(self, z: NDArray[np.floating], strength: NDArray[np.floating]) -> NDArray[np.floating]:
        """Log odds of inner products z of pairs of some strength."""
        deviation = np.interp(strength, self.strengths, self.deviations).astype(z.dtype)
        z, rho = z / deviation, np.asarray(self.signal * strength, z.dtype) / deviation
        result: NDArray[np.floating] = (
            (FREEDOM + 1) / 2 * (np.log1p(z**2 / FREEDOM) - np.log1p((z - rho) ** 2 / FREEDOM))
        )
        return result


def _calibrate(unit: Tensor, strength: NDArray[np.float32]) -> _Scale:
    """From the pairs of up to 1,500 slots."""
    pick = np.unique(np.linspace(0, len(unit) - 1, min(len(unit), 1500)).astype(int))
    part = unit[torch.from_numpy(pick).to(unit.device)]
    gram = (part @ part.T).cpu().numpy().astype(np.float64)
    upper = np.triu_indices(len(pick), 1)
    z, r = gram[upper], (strength[pick][:, None] * strength[pick][None])[upper].astype(np.float64)
    bins = np.array_split(np.argsort(r), max(1, min(20, len(r) // 200)))
    at = np.array([r[b].mean() for b in bins])
    # most pairs are unrelated and related ones lie above, so the lower half of each bin is that of the noise
    middle = np.array([np.median(z[b]) for b in bins])
    deviation = np.array([(m - np.quantile(z[b], 0.16)) for m, b in zip(middle, bins)]).clip(1e-12)
    typical = float(np.median(deviation / np.maximum(at, 1e-12)))
    best, scale = -np.inf, _Scale(at, deviation, 0.0)
    for a in SIGNAL * typical:
        trial = _Scale(at, deviation, float(a))
        odds = np.expm1(trial.log_odds(z, r))
        for share in SHARES:
            likelihood = float(np.log1p(share * odds).sum())
            if likelihood > best:
                best, scale = likelihood, trial
    return scale


def _graph(
    c: int,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    unit: Tensor,
    strength: NDArray[np.float32],
    scale: _Scale,
) -> ClassGraph:
    def lines(i: int, j: int) -> NDArray[np.float32]:
        z = (unit[i:j] @ unit.T).cpu().numpy()
        return scale.log_odds(z, strength[i:j, None] * strength[None]).astype(np.float32)

    def complete() -> NDArray[np.float32]:
        weights = lines(0, len(rows))
        np.fill_diagonal(weights, 0)
        return weights

    return class_graph(c, rows, columns, complete, lines)
