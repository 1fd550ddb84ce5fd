"""Sign-free releases in which no two encodings can be told to share an image: each encoding is its own candidate."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.numerics.sizes import Sizes
from ihaudit.attacks.numerics.transforms import Shape
from ihaudit.attacks.stages.state import Assigned, Grouped, Observed, Recovered, Restored, State

#: correlation above which two encodings of one slot are copies of one image
COPY = 0.97
#: encodings per image below which there is nothing to group
FEWEST = 4
#: share of what neighbouring pixels have in common, within rows, that is left between rows of different images at least
#: (14 photographs, one noisy encoding each: 0.6 and more; 40 copies of each under noise of 0.2 to 2: 0.01 at most)
ALIKE = 0.2
#: edge to which rows are averaged to find those that are next to them
COARSE = 8
#: rows that are compared with all others
COMPARED = 500
#: why attacks on mixtures do not address such a release
ALONE = "no two encodings can be told to share an image: they are shown as they are by the attack as-released"


def each_alone(state: State) -> bool:
    """Whether no two encodings can be told to share an image, other than as copies: there is nothing to group.

    So where labels give each encoding one image, or say nothing, and where each image can occur only a few times;
    unless they were found to be noisy copies (`recurring`).
    """
    observed = state.observed
    return not observed.copies and (_one_each(observed) or _nothing_to_group(observed))


def recurring(values: Tensor, shape: Shape) -> bool:
    """Whether the rows float32 (E, P) are noisy copies, at least `FEWEST` of each image, of pictures of `shape`.

    What two copies differ by is noise, in which neighbouring pixels do not go together as they do within a picture;
    what two pictures differ by is as smooth as they are.  Each row and the third nearest to it, by pixels averaged to a
    few, tell which it is.
    """
    if len(values) < 2 * FEWEST:
        return False
    step = -(-len(values) // COMPARED)
    rows = values.float()
    some = rows[::step] - rows.mean(0)
    c, h, w = shape
    low = F.adaptive_avg_pool2d(rows.reshape(-1, c, h, w), (min(h, COARSE), min(w, COARSE))).flatten(1)
    far = torch.cdist(low[::step], low)
    far[torch.arange(len(some), device=rows.device), torch.arange(0, len(rows), step, device=rows.device)] = torch.inf
    near = far.topk(FEWEST - 1, largest=False).indices[:, -1]
    between = (rows[::step] - rows[near]) / 2**0.5
    own = _smooth(some, shape)
    return bool(own > 0) and bool(_smooth(between, shape) < ALIKE * own)


def _smooth(rows: Tensor, shape: Shape) -> Tensor:
    """Mean product of neighbouring pixels."""
    c, h, w = shape
    x = rows.reshape(-1, c, h, w)
    return (x[..., 1:] * x[..., :-1]).mean() + (x[..., 1:, :] * x[..., :-1, :]).mean()


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
