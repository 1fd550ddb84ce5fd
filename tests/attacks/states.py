"""States of an attack on a small release, some of them with what only the truth tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ihaudit.attacks.numerics.sizes import Sizes
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.state import Assigned, Grouped, State
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from tests.attacks.releases import Sample


def view_of(sample: Sample, **changes: object) -> View:
    """The release alone, in the range [-1, 1]."""
    return View(**{"encodings": sample.encodings, "labels": sample.labels, "image_range": (-1.0, 1.0), **changes})  # type: ignore[arg-type]


def true_state(sample: Sample, members: np.ndarray, *, exact: bool = True) -> State:
    """A state after grouping into as many sets per class as there are images, with the true lambdas."""
    state = start(view_of(sample), Context(seed=0))
    slots, e = state.observed.slots, len(sample.encodings)
    n = len(sample.images)
    labels = np.zeros(n, np.int64)
    for j in range(2):
        alone = ~slots.shared
        hit = np.isclose(slots.mass[alone][:, :, None], sample.lambdas[alone][:, None, j : j + 1])[..., 0]
        labels[sample.members[alone, j]] = np.where(hit[:, 0], slots.label[alone, 0], slots.label[alone, 1])
    order = np.argsort(labels, kind="stable")
    place = np.argsort(order)
    per_class = np.bincount(labels, minlength=slots.classes)
    ends = np.cumsum(per_class)
    of_class = [np.arange(end - k, end) for end, k in zip(ends, per_class, strict=True)]
    sizes = Sizes(per_class, 2 * e / n, exact, "test")
    # slots are in order of lambda, members in order of permutation
    swap = sample.lambdas[:, 1] > sample.lambdas[:, 0]
    members = np.where(swap[:, None], members[:, ::-1], members)
    known = np.where(members >= 0, place[members], -1)
    lambdas = np.where(swap[:, None], sample.lambdas[:, 1::-1], sample.lambdas[:, :2])
    return state.having(Grouped(of_class, sizes), Assigned(known, lambdas.astype(np.float32)))


def observing(state: State, **changes: Any) -> State:
    """The state, had something else been observed."""
    return replace(state, observed=replace(state.observed, **changes))


def correlation(found: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]]) -> float:
    """Mean correlation of the true images with the candidates that fit them best, one to one."""
    a = found.reshape(len(found), -1).astype(np.float64)
    b = truth.reshape(len(truth), -1).astype(np.float64)
    a = (a - a.mean(1, keepdims=True)) / (a.std(1, keepdims=True) + 1e-9)
    b = (b - b.mean(1, keepdims=True)) / (b.std(1, keepdims=True) + 1e-9)
    c = a @ b.T / a.shape[1]
    rows, columns = linear_sum_assignment(-c)
    return float(c[rows, columns].mean())
