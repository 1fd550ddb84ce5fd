"""Sign-free releases in which no two encodings can be told to share an image: each encoding is its own candidate."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.numerics.sizes import Sizes
from ihaudit.attacks.stages.state import Assigned, Grouped, Observed, Recovered, Restored, State

#: correlation above which two encodings of one slot are copies of one image
COPY = 0.97
#: encodings per image below which there is nothing to group
FEWEST = 4
#: why attacks on mixtures do not address such a release
ALONE = "no two encodings can be told to share an image: they are shown as they are by the attack as-released"


def each_alone(state: State) -> bool:
    """Whether no two encodings can be told to share an image, other than as copies: there is nothing to group.

    So where labels give each encoding one image, or say nothing, and where each image can occur only a few times.
    """
    return _one_each(state.observed) or _nothing_to_group(state.observed)


def copies(state: State) -> State:
    """A finished state whose candidates are the encodings, copies of one image averaged.

    Where `each_alone`, an encoding shows its image as well as anything computed from encodings without knowing more.
    """
    observed, values = state.observed, state.observed.values
    groups = _merge_copies(values) if _one_each(observed) else np.arange(len(values))
    n = int(groups.max()) + 1
    index = torch.from_numpy(groups).to(values.device)
    total = torch.zeros(n + 1, values.shape[1], device=values.device)
    total.index_add_(0, index, values)
    count = torch.bincount(index, minlength=n + 1).clamp_min(1)
    images = total / count[:, None]
    sizes = Sizes(np.array([n], dtype=np.int64), len(groups) / n, False, "encodings that are copies of one another")
    done = state.having(
        Grouped([np.arange(n, dtype=np.int64)], sizes),
        Assigned(groups[:, None], np.ones((len(groups), 1), dtype=np.float32)),
        Recovered(Reconstruction(images, ((values - images[index]) ** 2).mean(1))),
        Restored(to_pictures(images[:-1], observed.shape, observed.image_range)),
    )
    return done.recorded("grouping", "copies", {"images": n})


def _merge_copies(values: Tensor) -> NDArray[np.int64]:
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


def _one_each(observed: Observed) -> bool:
    """Whether labels give each encoding one image and nothing else, or there are none."""
    slots = observed.slots
    return slots.whole or (slots.classes == 1 and not slots.informative)


def _nothing_to_group(observed: Observed) -> bool:
    totals = observed.slots.totals()
    if observed.n_private:
        return bool(totals.sum() < FEWEST * observed.n_private)
    return bool(totals.max(initial=0) < 2 * FEWEST)
