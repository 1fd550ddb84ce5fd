"""Which sets each encoding belongs to, by min-cost flow (Carlini et al. 2021, 4.4).

The paper's network: source -> every set (capacity 2T), set -> encoding (capacity 1, at a cost), encoding -> sink
(capacity 2).  With labels an encoding's places are known class by class, an edge only joins a place with the sets of
its class, and the problem falls apart into one per class.  Where images are used about, not exactly, 2T times, the
source's arcs are widened: use beyond or below the expected number is allowed at a growing cost.

It is solved as a linear programme by SciPy's HiGHS, whose corners are integral because the constraint matrix is totally
unimodular; a network simplex (networkx) takes minutes where that takes seconds (reports/measurements/carlini.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from ihaudit.errors import NotApplicable

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

#: sets per encoding in the first linear programme; others enter when the prices say that they could help
FIRST_EDGES = 12


@dataclass(frozen=True, eq=False)
class Capacity:
    """How many encodings the sets take.

    Attributes:
        target: float (R,), the expected number of encodings per set (2T).
        slack: float (L,), costs of the first, second, ... unit beyond the target, not falling; the same apply below it.
            The last one holds for all further units.  Empty: exactly the target.
    """

    target: Floats
    slack: Floats

    @property
    def exact(self) -> bool:
        return len(self.slack) == 0


def soft_slack(expected: float, *, spread: float = 1.0, most: int | None = None) -> Floats:
    """Costs (nats) of each unit away from `expected` where uses are counts of independent draws.

    The number is then Poisson-like with variance `spread` * expected, so n units off cost n^2 / (2 variance).

    Args:
        most: units of rising cost; four deviations where None.
    """
    variance = max(1.0, spread * expected)
    step = np.arange(1, (most if most is not None else int(np.ceil(4 * variance**0.5))) + 1)
    return (2 * step - 1) / (2 * variance)


def balanced_targets(total: int, sets: int) -> Ints:
    """Integers as equal as can be that sum to `total`: 2T each where it divides."""
    base = np.full(sets, total // max(sets, 1), np.int64)
    base[: total - int(base.sum())] += 1
    return base


@dataclass(frozen=True, eq=False)
class Flow:
    """chosen bool (E, R); price float (R,), what one more place in a set is worth; rounds of column generation."""

    chosen: NDArray[np.bool_]
    price: Floats
    rounds: int


def solve(gain: Floats, supply: Ints, capacity: Capacity) -> Flow:
    """The optimum by HiGHS, with columns generated as the dual prices ask for them.

    Args:
        gain: float (E, R), what joining encoding e with set r is worth; -inf where it is forbidden.
        supply: int (E,), sets per encoding (2); encodings of supply 0 are left out.
        capacity: of the sets.

    Raises:
        NotApplicable: the capacities do not fit the supply (soften them).
    """
    gain = np.asarray(gain, np.float64)
    r = gain.shape[1]
    allowed = np.isfinite(gain) & (supply > 0)[:, None]
    if np.any(allowed.sum(1) < supply):
        short = int(np.argmax(allowed.sum(1) < supply))
        raise NotApplicable(
            f"encoding {short} has {int(supply[short])} places and only {int(allowed[short].sum())} sets to fill them"
        )
    if not capacity.exact:
        return _generate(gain, supply, capacity, allowed)
    # Exact capacities as a penalty that is never paid: the equalities alone leave HiGHS with a degenerate problem that
    # takes it a hundred times longer.  An unpaid penalty proves the optimum; a paid one may only be too low.
    value = gain[allowed]
    penalty = 1.0 + (float(np.ptp(value)) if len(value) else 0.0)
    for _ in range(4):
        found = _generate(gain, supply, Capacity(capacity.target, np.array([penalty])), allowed)
        if np.array_equal(found.chosen.sum(0), np.round(capacity.target).astype(int)):
            return found
        penalty *= 10
    raise NotApplicable(
        f"{int(supply.sum())} places cannot be dealt to {r} sets of {capacity.target.min():g} to "
        f"{capacity.target.max():g} encodings each; allow other numbers"
    )


def _generate(gain: Floats, supply: Ints, capacity: Capacity, allowed: NDArray[np.bool_]) -> Flow:
    """Column generation: edges enter the linear programme when the prices say that they could help."""
    active = _nearest(gain, allowed, FIRST_EDGES + int(supply.max(initial=0)))
    rounds = 0
    while True:  # ends: every round adds edges, of which there are finitely many
        rounds += 1
        rows, columns = np.nonzero(active)
        x, of_encoding, of_set = _programme(gain, supply, capacity, rows, columns)
        # an edge left out helps where its gain exceeds the prices of its two ends
        surplus = np.where(allowed & ~active, gain - of_encoding[:, None] - of_set[None], -np.inf)
        missing = surplus > 1e-7
        if not missing.any():
            break
        active |= missing
    chosen = np.zeros(gain.shape, dtype=bool)
    chosen[rows, columns] = x > 0.5
    return Flow(chosen, of_set, rounds)


def _nearest(gain: Floats, allowed: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """The `count` best allowed edges of every encoding, and the best of every set."""
    if count >= gain.shape[1]:
        return allowed.copy()
    value = np.where(allowed, gain, -np.inf)
    out = np.zeros_like(allowed)
    np.put_along_axis(out, np.argpartition(-value, count, axis=1)[:, :count], True, axis=1)
    return out & allowed


def _programme(
    gain: Floats, supply: Ints, capacity: Capacity, rows: Ints, columns: Ints
) -> tuple[Floats, Floats, Floats]:
    """Edge flows (edges,), prices of the encodings (E,) and of the sets (R,), for the edges given."""
    e, r = gain.shape
    count = len(rows)
    one = np.ones(count)
    at = np.arange(count)
    levels = len(capacity.slack)
    cost = np.concatenate([-gain[rows, columns], np.tile(capacity.slack, 2 * r)])
    into = sparse.csr_matrix((one, (rows, at)), (e, count))
    out = sparse.csr_matrix((one, (columns, at)), (r, count))
    if levels:
        # units above the target leave by the first block of slack, units below enter by the second
        unit = sparse.kron(sparse.identity(r), np.ones((1, levels)), format="csr")
        out = sparse.hstack([out, -unit, unit], format="csr")
        into = sparse.hstack([into, sparse.csr_matrix((e, 2 * r * levels))], format="csr")
    upper = np.ones(len(cost))
    if levels:
        upper[count + levels - 1 :: levels] = np.inf
    result = linprog(
        cost,
        A_eq=sparse.vstack([into, out], format="csr"),
        b_eq=np.concatenate([supply, np.round(capacity.target)]).astype(float),
        bounds=np.stack([np.zeros_like(upper), upper], 1),
        method="highs-ds",
    )
    if result.status != 0:
        raise NotApplicable(f"the flow could not be solved: {result.message}")
    # of a minimum: the price of a constraint is minus its marginal
    price = -np.asarray(result.eqlin.marginals)
    return result.x[:count], price[:e], price[e:]
