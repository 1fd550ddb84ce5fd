"""`filtering=none`: all encodings in which an image is the largest that the label names."""

from __future__ import annotations

from typing import Any

import numpy as np

from ihaudit.attacks.stages.state import Alike, Assigned, Grouped, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable


@stage("filtering", "none")
def filtering_none(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """The encodings of each image, as clustering left them."""
    found = dominated(state)
    return state.having(found), {"encodings_per_image": len(found.rows) / max(1, state.require(Grouped).unknowns)}


def dominated(state: State) -> Alike:
    """Encodings by the image with the largest coefficient in each, as the paper clusters them.

    An image that is the largest nowhere has the encodings in which it comes second.

    Raises:
        NotApplicable: no encoding was assigned to any image.
    """
    assigned, unknowns = state.require(Assigned), state.require(Grouped).unknowns
    first = assigned.members[:, 0].copy()
    for column in range(1, assigned.members.shape[1]):
        without = np.setdiff1d(np.arange(unknowns), first)
        wanted = np.isin(assigned.members[:, column], without)
        first[wanted] = assigned.members[wanted, column]
    rows = np.nonzero(first >= 0)[0]
    if len(rows) == 0:
        raise NotApplicable("no encoding could be assigned to an image, so there is nothing to fuse")
    rows = rows[np.argsort(first[rows], kind="stable")]
    slot = (assigned.members[rows] == first[rows, None]).argmax(1)
    return Alike(rows, first[rows], slot, np.ones(len(rows), np.float32))
