"""Sign-free releases in which no two encodings can be told to share an image: each encoding is its own candidate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.em import Estimate
from ihaudit.attacks.numerics.group import Grouping
from ihaudit.attacks.numerics.sizes import Sizes
from ihaudit.attacks.stages.state import State, to_pictures
from ihaudit.results import StageRecord

#: correlation above which two encodings of one slot are copies of one image
COPY = 0.97
#: encodings per image below which there is nothing to group
FEWEST = 4


def singletons(state: State) -> State | None:
    """A finished state whose candidates are (averages of copies of) the encodings, or None where grouping can work.

    Taken where encodings are plain copies (one slot of weight one), or where each image can occur only a few times:
    an encoding then shows its images as well as anything computed from it.
    """
    slots = state.slots
    copies = slots.count == 1 or bool((slots.label[:, 1:] < 0).all())
    whole = bool((slots.mass.sum(1) > 0.98).all()) or not slots.informative
    unlabelled = slots.classes == 1 and not slots.informative
    if unlabelled or (copies and whole):
        groups = _merge_copies(state.values)
    elif _nothing_to_group(state):
        groups = np.arange(len(state.values))
    else:
        return None
    n = int(groups.max()) + 1
    index = torch.from_numpy(groups).to(state.values.device)
    total = torch.zeros(n + 1, state.values.shape[1], device=state.values.device)
    total.index_add_(0, index, state.values)
    count = torch.bincount(index, minlength=n + 1).clamp_min(1)
    images = total / count[:, None]
    per_class = np.array([n], dtype=np.int64)
    sizes = Sizes(per_class, len(groups) / n, False, "encodings that are copies of one another")
    members = np.full((len(groups), 1), -1, dtype=np.int64)
    members[:, 0] = groups
    state.records.append(StageRecord(name="grouping", variant="copies", diagnostics={"images": n}))
    noise = ((state.values - images[index]) ** 2).mean(1)
    return replace(
        state,
        grouping=Grouping(members, [np.arange(n, dtype=np.int64)], sizes, []),
        members=members,
        coefficients=np.ones((len(groups), 1), dtype=np.float32),
        estimate=Estimate(images, noise),
        images=to_pictures(images[:-1], state.shape, state.image_range),
    )


def _merge_copies(values: Tensor) -> np.ndarray:
    """Greedy groups of encodings correlated above `COPY`, int64 (E,), without an E x E matrix."""
    unit = values - values.mean(1, keepdim=True)
    unit = unit / unit.norm(dim=1, keepdim=True).clamp_min(1e-9)
    groups = np.full(len(values), -1, dtype=np.int64)
    found = 0
    for i in range(len(values)):
        if groups[i] >= 0:
            continue
        close = (unit @ unit[i] > COPY).cpu().numpy() & (groups < 0)
        close[i] = True
        groups[close] = found
        found += 1
    return groups


def _nothing_to_group(state: State) -> bool:
    if state.n_private:
        return bool(state.slots.totals().sum() < FEWEST * state.n_private)
    return bool(state.slots.totals().max(initial=0) < 2 * FEWEST)
