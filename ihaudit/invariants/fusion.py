"""Log odds of several groups of statistics joined into one score, with weights from calls that were held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from ihaudit.release import IntArray

Float64 = NDArray[np.float64]
#: groups that are joined at most
MOST = 14
#: temperatures that a group alone is tried at
TEMPERATURES = (0.03, 0.1, 0.3, 0.6, 1.0)
#: penalty on squared weights
PENALTY = 0.01
#: a group counts from so much information (nats) on its own, as a share of the most that any has
LEAST = 0.05


@dataclass(frozen=True)
class Fusion:
    """Weights by group, and how much each tells alone (nats per row, on held-out calls)."""

    weights: Mapping[str, float]
    information: Mapping[str, float]

    def score(self, odds: Mapping[str, Float64]) -> Float64:
        """Joined scores float64 (E, M) from each group's log odds (E, M)."""
        parts = [w * odds[name] for name, w in self.weights.items()]
        first = next(iter(odds.values()))
        return np.sum(parts, axis=0) if parts else np.zeros_like(first)


def fuse(odds: Mapping[str, Float64], own: IntArray, most: int = MOST) -> Fusion:
    """Weights that make each row's own image stand out.

    Args:
        odds: group -> float64 (R, M), log odds of held-out rows with every candidate.
        own: int (R,), the candidate that each row is made of.
        most: groups that are joined at most.
    """
    rows = np.arange(len(own))
    alone: dict[str, tuple[float, float]] = {}
    for name, s in odds.items():
        d = s - s[rows, own][:, None]
        gains = [(float(np.log(s.shape[1]) - logsumexp(t * d, axis=1).mean()), t) for t in TEMPERATURES]
        alone[name] = max(gains)
    information = {name: gain for name, (gain, _) in alone.items()}
    top = max(information.values(), default=0.0)
    # By chance alone the best of many groups reaches about one standard error of the mean information.
    floor = max(LEAST * top, 2.5 / np.sqrt(max(1, len(own))))
    chosen = sorted((n for n, gain in information.items() if gain > floor), key=lambda n: -information[n])[:most]
    if not chosen:
        return Fusion({}, information)
    differences = np.stack([odds[n] - odds[n][rows, own][:, None] for n in chosen])  # (G, R, M)
    scale = np.maximum(np.abs(differences).mean((1, 2)), 1e-12)
    differences /= scale[:, None, None]

    def loss(w: Float64) -> tuple[float, Float64]:
        z = np.tensordot(w, differences, 1)
        top = logsumexp(z, axis=1)
        p = np.exp(z - top[:, None]) / len(own)
        return float(top.mean() + PENALTY * w @ w), np.tensordot(differences, p, 2) + 2 * PENALTY * w

    start = np.zeros(len(chosen))
    start[0] = alone[chosen[0]][1] * scale[0]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(chosen), options={"maxiter": 60}
    )
    weights = {n: float(w / s) for n, w, s in zip(chosen, found.x, scale, strict=True) if w > 0}
    return Fusion(weights, information)
