"""Tokens that were shuffled: put in the order that the release has in common, then where pairs show them to belong."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from ihaudit.attacks.numerics.known_pairs.base import Encodings, Images, blocks_of
from ihaudit.invariants.tokens import in_order

#: principal components of a place's tokens by which a patch's brightness is explained
COMPONENTS = 12
#: pairs at least, and the share of the patches' variance that must be explained beyond chance
LEAST, EXPLAINED = 40, 0.3


def unshuffled(images: Images, encodings: Encodings, others: Encodings) -> tuple[Encodings, Encodings] | None:
    """Tokens of the pairs (n, t, d) and of the other rows under the same key, each at its patch of the image.

    Encoders that mark places before they shuffle leave them to be read off (`in_order`); which place is which patch
    shows by what its tokens say of the brightness of each.  None where tokens are in one order already, or show no
    place.
    """
    n = len(images)
    if encodings.ndim != 3 or n < LEAST:
        return None
    h, w = images.shape[1:3]
    tokens = encodings.shape[1]
    edge = round((h * w / tokens) ** 0.5)
    if edge < 1 or h % edge or w % edge or (h // edge) * (w // edge) != tokens:
        return None
    both = in_order(np.concatenate([encodings, others]))
    if both is None:
        return None
    bright = blocks_of(images, edge).mean(2)
    bright = (bright - bright.mean(0)) / np.maximum(bright.std(0), 1e-6)
    share = np.empty((tokens, tokens))
    for place in range(tokens):
        rest = both[:n, place] - both[:n, place].mean(0)
        basis = np.linalg.svd(rest, full_matrices=False)[0][:, :COMPONENTS]
        share[place] = ((basis.T @ bright) ** 2).sum(0) / n
    places, patches = linear_sum_assignment(-share)
    if float(share[places, patches].mean()) < EXPLAINED + 2 * COMPONENTS / n:
        return None
    order = np.argsort(patches)
    return both[:n, order], both[n:, order]
