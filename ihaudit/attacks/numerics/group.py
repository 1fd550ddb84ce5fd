"""Grouping of all encodings: slots, sizes, and per-class clusters put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.grouping import anneal
from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.parallel import single_threaded
from ihaudit.attacks.numerics.sizes import Sizes, infer_sizes

#: slots of one class whose Gram matrix is formed; beyond, the strongest are clustered and the rest placed by score
MAX_SLOTS = 6000


@dataclass(frozen=True, eq=False)
class Grouping:
    """members int64 (E, s), -1 where undecided; of_class: cluster ids of each class; sizes; diagnostics."""

    members: NDArray[np.int64]
    of_class: list[NDArray[np.int64]]
    sizes: Sizes
    scores: list[float]


def group_encodings(
    features: Tensor,
    weight: Tensor,
    slots: Slots,
    *,
    seed: int,
    restarts: int = 3,
    n_private: int | None = None,
    linear: bool = False,
    progress: Callable[[str, float | None], None] | None = None,
) -> Grouping:
    """Clusters of every class from whitened squares float32 (E, D) and row weights (E,).

    `linear` says that features scale with lam (encodings without a mask) rather than with lam^2.
    """
    usable = (
        ~slots.shared if bool((~slots.shared).sum() > 0.3 * len(slots.shared)) else np.ones(len(slots.shared), bool)
    )
    grams: dict[int, tuple[Tensor, Tensor, Tensor, NDArray[np.int64], NDArray[np.int64]]] = {}

    def prepare(c: int) -> tuple[Tensor, Tensor, Tensor, NDArray[np.int64], NDArray[np.int64]]:
        if c not in grams:
            if len(grams) > 3:  # trial classes stay, others pass through
                grams.pop(next(iter(grams)))
            rows, cols = np.nonzero((slots.label == c) & usable[:, None])
            if bool(slots.shared[rows].all()) and slots.count == 2:  # both slots of one encoding are the same point
                rows, cols = rows[cols == 0], cols[cols == 0]
            strength = slots.mass[rows, cols]
            keep = np.sort(np.argsort(-strength, kind="stable")[:MAX_SLOTS])
            rows, cols = rows[keep], cols[keep]
            index = torch.from_numpy(rows).to(features.device)
            f = features[index]
            scale = torch.from_numpy(slots.mass[rows, cols]).to(features.device) ** (1 if linear else 2)
            grams[c] = (f @ f.T, scale, weight[index], rows, cols)
        return grams[c]

    def trial(c: int, k: int, exact: bool) -> float:
        gram, scale, w, _, _ = prepare(c)
        generator = torch.Generator().manual_seed(seed * 1000 + c)
        return anneal(
            gram, scale, w, k, generator=generator, restarts=1, iterations=50, balance=1.0 if exact else 0.5
        ).score

    with single_threaded():  # EM on small matrices: barriers would dominate
        sizes = infer_sizes(slots, trial, n_private=n_private)
    members = np.full(slots.label.shape, -1, dtype=np.int64)
    of_class: list[NDArray[np.int64]] = []
    scores: list[float] = []
    first = 0
    for c in range(slots.classes):
        k = int(sizes.per_class[c])
        of_class.append(np.arange(first, first + k, dtype=np.int64))
        if k:
            gram, scale, w, rows, cols = prepare(c)
            if len(rows):
                generator = torch.Generator().manual_seed(seed * 1000 + c)
                with single_threaded():
                    found = anneal(
                        gram, scale, w, k, generator=generator, restarts=restarts, balance=1.0 if sizes.exact else 0.5
                    )
                members[rows, cols] = first + found.posterior.argmax(1).cpu().numpy()
                scores.append(found.score)
        first += k
        if progress is not None:
            progress("grouping", (c + 1) / slots.classes)
    return Grouping(members, of_class, sizes, scores)
