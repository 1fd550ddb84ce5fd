"""Unmasked mixtures and the public set: which public images are in which encoding.

With signs known, a public image shows by its whitened correlation with the mixture (20 standard deviations for a
weight of 0.15 at 32x32x3).  `exact` solves what is left once they are taken out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.numerics.public_fit import nonnegative, threshold
from ihaudit.attacks.numerics.transforms import Whitener
from ihaudit.contracts.context import Progress
from ihaudit.metrics.threads import one_thread
from ihaudit.release import FloatArray

_CANDIDATES = 12


@dataclass(eq=False)
class PublicFit:
    """Public images found in mixtures.

    Attributes:
        index: int64 (E, K) indices into the public set, -1 for none.
        weight: float64 (E, K).
    """

    index: NDArray[np.int64]
    weight: NDArray[np.float64]

    def part(self, public: FloatArray, rows: slice | NDArray[Any]) -> NDArray[np.float32]:
        """float32 (n, P): what the public images contribute to the given rows."""
        flat = public.reshape(len(public), -1)
        index, weight = self.index[rows], self.weight[rows].astype(np.float32)
        out = np.zeros((len(index), flat.shape[1]), np.float32)
        for k in range(index.shape[1]):
            use = np.flatnonzero(index[:, k] >= 0)
            out[use] += weight[use, k, None] * flat[index[use, k]]
        return out


class PublicSet:
    """Whitened public images, ready for correlation."""

    def __init__(self, public: FloatArray, device: str = "cpu") -> None:
        self.public = np.asarray(public, np.float32)
        self.mean = self.public.mean(0, keepdims=True)
        self.whiten = Whitener(self.public)
        z = np.concatenate([self.whiten(self.public[i : i + 2048] - self.mean) for i in range(0, len(public), 2048)])
        self.norm = np.maximum(np.linalg.norm(z, axis=1), 1e-9)
        self.z = z
        self._unit = torch.from_numpy(z / self.norm[:, None]).to(device)

    def candidates(self, z: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Most correlated public images of each whitened row: (n, count) indices and standard scores."""
        t = torch.from_numpy(np.ascontiguousarray(z)).to(self._unit.device)
        scale = t.norm(dim=1, keepdim=True).clamp_min(1e-9) / np.sqrt(z.shape[1])
        values, index = ((t @ self._unit.T) / scale).topk(min(count, len(self.public)), dim=1)
        return index.cpu().numpy(), values.cpu().numpy()


def sign_by_public(mixtures: FloatArray, matcher: PublicSet) -> bool | None:
    """Whether mixtures must be negated for public images to show with positive weight; None when neither shows."""
    best = []
    for sign in (1, -1):
        _, score = matcher.candidates(matcher.whiten(sign * mixtures - matcher.mean), 1)
        best.append(float(np.median(score)))
    if max(best) < 6 or abs(best[0] - best[1]) < 1:
        return None
    return best[1] > best[0]


def fit_public(
    residual: FloatArray,
    rest: NDArray[np.float64],
    matcher: PublicSet,
    known: PublicFit | None = None,
    *,
    progress: Progress | None = None,
) -> PublicFit:
    """Public images and weights in what the private images leave of each mixture.

    Args:
        residual: float32 (E, H, W, C), mixtures less the estimated private part.
        rest: float64 (E,) what the public weights sum to (1 less the label's sum).
        matcher: of the public set.
        known: images found before; they stay candidates, and correlation is done on what they leave.
    """
    e = len(residual)
    width = 2 * _CANDIDATES
    index, weight = np.full((e, width), -1, np.int64), np.zeros((e, width))
    for start in range(0, e, 512):
        rows = slice(start, min(e, start + 512))
        centred = residual[rows] - rest[rows, None, None, None].astype(np.float32) * matcher.mean
        z = matcher.whiten(centred)
        left = z
        old = known.index[rows] if known is not None else np.zeros((len(z), 0), np.int64)
        if known is not None:
            left = z.copy()
            for k in range(old.shape[1]):
                use = np.flatnonzero(old[:, k] >= 0)
                left[use] -= known.weight[rows][use, k, None].astype(np.float32) * matcher.z[old[use, k]]
        fresh, _ = matcher.candidates(left, _CANDIDATES)
        with one_thread():  # a thousand small systems
            for i in range(len(z)):
                pool = np.unique(np.concatenate([old[i][old[i] >= 0], fresh[i]]))[: 4 * _CANDIDATES]
                chosen, lam = _weights(z[i], matcher, pool, width)
                index[rows.start + i, : len(chosen)] = chosen
                weight[rows.start + i, : len(chosen)] = lam
        if progress:
            progress("matching public images", rows.stop / e)
    return PublicFit(index, weight)


def _weights(
    z: NDArray[np.float32], matcher: PublicSet, pool: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Those of the candidates `pool` that are in a whitened mixture (P,), at most `most`, and their weights."""
    a = matcher.z[pool]
    gram, dots = (a @ a.T).astype(np.float64), (a @ z).astype(np.float64)
    solution = nonnegative(gram, dots, float((z.astype(np.float64) ** 2).sum()), len(z), threshold(len(matcher.z)))
    pick = np.argsort(-solution)[:most]
    pick = pick[solution[pick] > 0]
    return pool[pick], solution[pick]


def without_public(u: FloatArray, labels: FloatArray, matcher: PublicSet) -> NDArray[np.float32]:
    """Mixtures with every public image that shows replaced by the mean public image, private images being the noise.

    float32 (E, H, W, C) in, the same out: easier to group than the mixtures themselves.
    """
    every = np.ones(len(u))
    fit = fit_public(u, every, matcher)
    fit = fit_public(u, every, matcher, fit)
    rest = (1 - labels.sum(1)).astype(np.float32)
    flat = np.asarray(u, np.float32).reshape(len(u), -1) - fit.part(matcher.public, slice(None))
    result: NDArray[np.float32] = (
        flat + np.minimum(rest, fit.weight.sum(1).astype(np.float32))[:, None] * matcher.mean.reshape(1, -1)
    ).reshape(u.shape)
    return result
