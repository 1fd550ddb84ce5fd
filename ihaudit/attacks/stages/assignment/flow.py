"""`assignment=flow`: scores of encodings against sets in, members out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse

from ihaudit.attacks.numerics.cluster_scores import cluster_scores
from ihaudit.attacks.numerics.features import linear_features, square_features
from ihaudit.attacks.numerics.flow import Capacity, balanced_targets, soft_slack, solve
from ihaudit.attacks.stages.state import Assigned, Features, Grouped, Recovered, Scores, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context


@stage("assignment", "flow")
def assignment_flow(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Every encoding into as many sets as it has places, every set its number of encodings, at the best total score.

    Needs `grouping`; uses `scores` where a membership stage has left them, else the fit to the sets' mean squares.
    """
    assigned, grouped, given = state.require(Assigned), state.require(Grouped), state.find(Scores)
    slots, sizes = state.observed.slots, grouped.sizes
    # no labels: every encoding may join every set, as in the paper
    scores = _by_squares(state) if given is None else given.scores
    members = np.full(slots.label.shape, -1, dtype=np.int64)
    certainty = np.ones(len(members), dtype=np.float32)
    gained, rounds, off = 0.0, 0, []
    for c, ids in enumerate(grouped.of_class):
        places = (slots.label == c).sum(1).astype(np.int64)
        rows = np.nonzero(places)[0]
        if len(ids) == 0 or len(rows) == 0:
            continue
        gain = _block(scores, rows, ids)
        supply = np.minimum(places[rows], np.isfinite(gain).sum(1))
        target = balanced_targets(int(supply.sum()), len(ids))
        slack = np.zeros(0) if sizes.exact else soft_slack(float(target.mean()))
        found = solve(gain, supply, Capacity(target.astype(float), slack))
        chosen = found.chosen
        value = gain - found.price[None]
        for i, e in enumerate(rows):
            at = np.nonzero(chosen[i])[0]
            at = at[np.argsort(-gain[i, at], kind="stable")]
            members[e, np.nonzero(slots.label[e] == c)[0][: len(at)]] = ids[at]
            certainty[e] = min(certainty[e], _certainty(value[i], at))
        gained += float(gain[chosen].sum())
        rounds = max(rounds, found.rounds)
        off.append(np.abs(chosen.sum(0) - target))
        ctx.progress("assignment", (c + 1) / slots.classes)
    certainty[(members < 0).all(1)] = 0
    diagnostics = {
        "scores_from": "squares" if given is None else "membership",
        "capacities": "exact" if sizes.exact else "soft",
        "encodings_per_set": sizes.multiplicity,
        "furthest_from_capacity": int(max((o.max() for o in off), default=0)),
        "score": gained,
        "rounds": rounds,
        "mean_certainty": float(certainty.mean()),
        "changed": float((np.sort(assigned.members, 1) != np.sort(members, 1)).any(1).mean()),
    }
    state = state.having(replace(assigned, members=members, certainty=certainty))
    if (recovered := state.find(Recovered)) is not None:
        state = state.having(replace(recovered, signs=None))
    return state, diagnostics


def _by_squares(state: State) -> NDArray[np.float32]:
    """`cluster_scores` of the state."""
    observed = state.observed
    linear = observed.mask == "signed"
    features = state.find(Features)
    if features is None:
        mass = torch.from_numpy(observed.slots.mass).to(observed.values.device)
        features = Features(*(linear_features if linear else square_features)(observed.values, mass, observed.shape))
    return cluster_scores(
        features.rows,
        features.weight,
        observed.slots,
        state.require(Assigned).members,
        state.require(Grouped).of_class,
        linear=linear,
    )


def _block(scores: Any, rows: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Dense float64 (rows, ids); what a sparse matrix does not hold is -inf."""
    if not issparse(scores):
        return np.asarray(scores)[np.ix_(rows, ids)].astype(np.float64)
    part = scores[rows][:, ids].tocoo()
    out = np.full(part.shape, -np.inf)
    out[part.row, part.col] = part.data
    return out


def _certainty(value: NDArray[np.float64], chosen: NDArray[np.int64]) -> float:
    """The least probability of a chosen set against all that were not, at the prices of the sets."""
    if len(chosen) == 0:
        return 0.0
    rest = np.delete(value, chosen)
    rest = rest[np.isfinite(rest)]
    if len(rest) == 0:
        return 1.0
    against = float(np.logaddexp.reduce(rest))
    return float(1 / (1 + np.exp(min(against - float(value[chosen].min()), 50.0))))
