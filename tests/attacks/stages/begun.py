"""A release of 12 images, attacks begun on it, and which of its encodings share an image."""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.context import Context
from tests.attacks.releases import Sample
from tests.attacks.states import view_of

CTX = Context(seed=1)


def begin(encodings: np.ndarray, sample: Sample) -> State:
    """The state before the first stage."""
    return start(view_of(sample, encodings=encodings, hints={"n_private": 12}), CTX)


def shared(sample: Sample, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """bool (n,): encodings i and j hold a private image in common."""
    result: np.ndarray = (sample.members[i][:, :, None] == sample.members[j][:, None, :]).any((1, 2))
    return result
