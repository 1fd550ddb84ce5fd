"""Grouping of all encodings by `signed_grouping`: sizes, classes and what does not fit in one EM."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.group import Grouping
from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.parallel import run_jobs, single_threaded
from ihaudit.attacks.numerics.signed_grouping import SignedClusters, Views, anneal_signed, extend_signed
from ihaudit.attacks.numerics.sizes import infer_sizes

#: slots per image whose clusters are found by annealing; the weaker ones join them afterwards
STRONG = 20
#: slots of a class on which numbers of images are tried, always the same ones
TRIAL = 1500
#: slots x images above which one annealing replaces three
MANY = 100_000


def group_signed(
    squares: tuple[Tensor, Tensor],
    mixtures: tuple[Tensor, Tensor],
    slots: Slots,
    *,
    seed: int,
    n_private: int | None = None,
    progress: Callable[[str, float | None], None] | None = None,
) -> tuple[Grouping, Tensor]:
    """Clusters of every class, and the expected global sign of every encoding.

    Args:
        squares, mixtures: whitened features float32 (E, D) and row weights (E,) of both views.
        slots: what the labels say.
        n_private: a publicly stated number of private images.

    Returns:
        The grouping (members -1 where two images share a label or a class was too large), and float32 (E,).
    """
    device = squares[0].device
    alone = ~slots.shared
    usable = alone if bool(alone.sum() > 0.3 * len(alone)) else np.ones(len(alone), bool)

    def rows_of(c: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows, cols = np.nonzero((slots.label == c) & usable[:, None])
        if slots.count == 2 and len(rows) and bool(slots.shared[rows].all()):  # both slots are the same point
            rows, cols = rows[cols == 0], cols[cols == 0]
        return rows, cols

    def views(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Views:
        index = torch.from_numpy(rows).to(device)
        mass = torch.from_numpy(slots.mass[rows, cols]).to(device)
        return Views(squares[0][index], mixtures[0][index], squares[1][index], mixtures[1][index], mass)

    def strongest(c: int, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of all slots of a class, and which of them are the strongest."""
        rows, cols = rows_of(c)
        keep = np.argsort(-slots.mass[rows, cols], kind="stable")[:most]
        return rows, cols, np.sort(keep)

    def anneal(c: int, rows: NDArray, cols: NDArray, k: int, whole: bool, restarts: int, steps: int) -> SignedClusters:
        return anneal_signed(
            views(rows, cols),
            k,
            generator=torch.Generator().manual_seed(seed * 1000 + c),
            restarts=restarts if len(rows) * k < MANY else 1,
            iterations=steps,
            # the strongest slots of equally frequent images are roughly equally many too
            balance=1.0 if whole else 0.5,
        )

    def trial(c: int, k: int, exact: bool) -> float:
        rows, cols, keep = strongest(c, TRIAL)
        return anneal(c, rows[keep], cols[keep], k, exact and len(keep) == len(rows), 1, 50).score

    with single_threaded():
        sizes = infer_sizes(slots, trial, n_private=n_private)
    first = np.concatenate([[0], np.cumsum(sizes.per_class)])
    members = np.full(slots.label.shape, -1, dtype=np.int64)
    tilt = torch.zeros(len(members), device=device)
    scores = []
    done = 0

    def one(c: int) -> tuple[SignedClusters, NDArray, NDArray] | None:
        nonlocal done
        k = int(sizes.per_class[c])
        rows, cols, keep = strongest(c, max(STRONG * k, 300))
        found = None
        if k and len(rows):
            found = anneal(c, rows[keep], cols[keep], k, sizes.exact, 3, 80)
            if len(keep) < len(rows):
                found = extend_signed(
                    views(rows, cols), torch.from_numpy(keep).to(device), found, balance=1.0 if sizes.exact else 0.5
                )
        done += 1
        if progress is not None:
            progress("grouping", done / slots.classes)
        return None if found is None else (found, rows, cols)

    for c, found in enumerate(run_jobs(one, list(range(slots.classes)), device)):
        if found is None or not len(found[1]):
            continue
        clusters, rows, cols = found
        members[rows, cols] = first[c] + clusters.posterior.argmax(1).cpu().numpy()
        scores.append(clusters.score)
        # both slots of an encoding have a say in its sign
        odds = torch.atanh(clusters.polarity.clamp(-0.9999, 0.9999))
        tilt.index_add_(0, torch.from_numpy(rows).to(device), odds)
    of_class = [np.arange(first[c], first[c + 1], dtype=np.int64) for c in range(slots.classes)]
    return Grouping(members, of_class, sizes, scores), torch.tanh(tilt)
