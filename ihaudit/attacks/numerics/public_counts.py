"""How many public images an encoding shows: pictures, each once, that are more of it than what nothing explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.candidates import Candidates
from ihaudit.attacks.numerics.public_fit import PublicMembers
from ihaudit.metrics.matching import twins

#: Public images up to which near-copies are told; of more, copies to the last bit.
COMPARED = 3000
#: Images that are made at once.
_BLOCK = 1024


@dataclass(frozen=True)
class PublicCounts:
    """What was recognised.

    Attributes:
        per_encoding: int64 (E,), pictures of the public set that each encoding holds.
        distinct: how many pictures these are in all.
    """

    per_encoding: NDArray[np.int64]
    distinct: int


def count_public(
    found: PublicMembers, candidates: Candidates, noise: Tensor, public: NDArray[np.floating[Any]]
) -> PublicCounts:
    """Counts what was found.

    An image counts where its part of the encoding (weight times its deviation from the mean public image) has a greater
    root mean square than the residual: where images are missing from the set, a faint one is fitted to what they leave
    (measured with 20 of 2,000 images handed over: 0.2 to 0.9 of the residual, the true ones 1.5 and more by weight).
    Copies of one picture, whose weight is divided among them by chance, are one.

    Args:
        found: what each encoding is thought to hold.
        candidates: the public set as it is mixed.
        noise: float32 (E,), variance of what is left of each encoding.
        public: float (M, H, W, C) in [0, 1], the set as it was handed over.
    """
    used, where = torch.unique(found.index.clamp_min(0), return_inverse=True)
    mean = candidates.mean.flatten()
    power = torch.cat([(candidates.images(u).flatten(1) - mean).square().mean(1) for u in used.split(_BLOCK)])
    picture = torch.from_numpy(_pictures(np.asarray(public[used.numpy()])))[where]
    there = found.index >= 0
    # the weight of all copies of an image that an encoding holds, and whether it is the first of them
    same = (picture[:, :, None] == picture[:, None, :]) & there[:, :, None] & there[:, None, :]
    weight = (same * found.weight[:, None, :]).sum(2)
    first = there & (same.to(torch.int8).argmax(2) == torch.arange(same.shape[1]))
    counts = first & (weight.square() * power[where] > noise[:, None])
    return PublicCounts(counts.sum(1).numpy(), len(torch.unique(picture[counts])))


def _pictures(images: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """int64 (n,): the same number for images that show one picture."""
    flat = np.ascontiguousarray(images.reshape(len(images), -1))
    if len(images) > COMPARED:
        return np.unique(flat, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return twins(images)
