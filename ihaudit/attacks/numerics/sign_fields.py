"""Images of which a part came out with the wrong sign: what magnitudes say of them, without what is believed so far.

Magnitudes tell |x| at every place of an image, but hardly its sign.  A part of an image that is bounded by edges, or by
places where it passes through zero, may therefore be settled with the wrong sign, or with a different sign in each
encoding; the network, shown such an image, confirms it.  Here every place is solved for by itself, once above zero and
once below, and neighbours are bound to each other by what public images do: they go on across the edges of the private
image, so that magnitudes on both sides of an edge vary together from encoding to encoding where its sign stays, and
against each other where it changes.  The signs that suit these bonds best are a proposal, often wrong itself, from
which the network's own view leads back; whether it is kept is for the residuals to say (`recovery=unmask`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.scratch import Rows

Shape = tuple[int, int, int]
Floats = NDArray[np.float64]

#: encodings of an image, the strongest, that are asked; with fewer nothing is
MOST_ENCODINGS, FEWEST_ENCODINGS = 24, 4
#: correlation of what public images leave at neighbouring places, and in two channels
_NEIGHBOURS = 0.9
#: what one encoding may say of a bond at most, in nats: some hold other images than they should
_MOST_SAID = 1.0
#: steps of the solution at every place by itself, and of the settling of signs
_STEPS, _SETTLING = 12, 100
#: where an image is nearer to zero than this its sign does not count as changed, and how far from zero either sign
#: begins at least; shares of the largest value that images can have
_VISIBLE, _APART = 0.1, 0.05


@dataclass(frozen=True, eq=False)
class Proposal:
    """Another image by the same magnitudes.

    Attributes:
        image: float32 (P,).
        gain: by how many nats on average its signs suit a bond better than those of the present image.
        changed: share of visible places where they differ.
    """

    image: Tensor
    gain: float
    changed: float


def bonds(shape: Shape) -> NDArray[np.int64]:
    """Places next to each other, and of two channels at one place, of images (C, H, W): int64 (M, 2)."""
    index = np.arange(int(np.prod(shape))).reshape(shape)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:, :, :-1], index[:, :, 1:])]
    pairs += [(index[a], index[b]) for a in range(shape[0]) for b in range(a)]
    return np.concatenate([np.stack([a.ravel(), b.ravel()], 1) for a, b in pairs])


def proposed(
    image: int,
    values: Rows,
    mixing: Mixing,
    estimate: Reconstruction,
    image_range: tuple[float, float],
    pairs: NDArray[np.int64],
) -> Proposal | None:
    """The image (its number) whose signs suit the bonds best; None where too few encodings hold it as the strongest.

    Args:
        values: (E, P) magnitudes; estimate: images in mixing units and noise (E,); image_range: of the images as
            mixed; pairs: `bonds`.
    """
    own = torch.where(mixing.members == image, mixing.coefficients, 0.0).amax(1)
    rows = torch.nonzero((own > 0) & (own >= mixing.coefficients.amax(1)))[:, 0]
    rows = rows[own[rows].argsort(descending=True)[:MOST_ENCODINGS]]
    if len(rows) < FEWEST_ENCODINGS:
        return None
    lam, y, noise = own[rows, None], values[rows].float(), estimate.noise[rows, None].float()
    now = estimate.images[image]
    some = mixing.some(rows)
    others = some.forward(estimate.images, slice(None)) - lam * now
    largest = max(map(abs, image_range))
    begin = now.abs() + _APART * largest
    above, below = (_by_itself(side * begin, y, others, lam, noise) for side in (1, -1))
    both = (above.clamp_min(0), below.clamp_max(0))
    said = _single(both[0], y, others, lam, noise) - _single(both[1], y, others, lam, noise)
    alone = (said / 2).clamp(-_MOST_SAID, _MOST_SAID).sum(0)
    a, b = torch.from_numpy(pairs.T.copy())
    parts = (y[:, a], y[:, b], others[:, a], others[:, b], lam, noise)
    same = _pair(both[0][a], both[0][b], *parts) + _pair(both[1][a], both[1][b], *parts)
    opposite = _pair(both[0][a], both[1][b], *parts) + _pair(both[1][a], both[0][b], *parts)
    strength = ((same - opposite) / 4).clamp(-_MOST_SAID, _MOST_SAID).sum(0)
    field, gain = settled(
        strength.double().cpu().numpy(), alone.double().cpu().numpy(), pairs, np.sign(now.cpu().numpy())
    )
    visible = (now.abs() > _VISIBLE * largest).cpu().numpy()
    turned = field * np.where(now.cpu().numpy() < 0, -1, 1) < 0
    up = torch.from_numpy(field > 0).to(now.device)
    return Proposal(torch.where(up, *both), gain, float(turned[visible].mean()) if visible.any() else 0.0)


def _by_itself(x: Tensor, y: Tensor, others: Tensor, lam: Tensor, noise: Tensor) -> Tensor:
    """The image (P,) of one sign that each place by itself likes best: EM for folded normal magnitudes, from `x`."""
    precision = (lam**2 / noise).sum()
    for _ in range(_STEPS):
        predicted = others + lam * x
        unmasked = torch.tanh(y * predicted / noise).mul_(y)
        x = (lam / noise * (unmasked - others)).sum(0) / precision
    return x


def _single(x: Tensor, y: Tensor, others: Tensor, lam: Tensor, noise: Tensor) -> Tensor:
    """Log likelihood (n, P) of magnitudes, the likelier sign counting."""
    distance = (y - (others + lam * x).abs()).square_()
    return distance.div_(-2 * noise)


def _pair(xa: Tensor, xb: Tensor, ya: Tensor, yb: Tensor, oa: Tensor, ob: Tensor, lam: Tensor, noise: Tensor) -> Tensor:
    """Log likelihood (n, M) of two magnitudes under correlated noise, the likeliest of their four signs counting."""
    ma, mb = oa + lam * xa, ob + lam * xb
    best = None
    for side in (1.0, -1.0):
        da = side * ya - ma
        for other in (1.0, -1.0):
            db = other * yb - mb
            distance = da.square() + db.square() - (2 * _NEIGHBOURS) * da * db
            best = distance if best is None else torch.minimum(best, distance)
    assert best is not None
    return best / (-2 * (1 - _NEIGHBOURS**2) * noise)


def settled(strength: Floats, alone: Floats, pairs: NDArray[np.int64], now: Floats) -> tuple[Floats, float]:
    """Signs {-1, 1} (P,) that bonds like, and what they gain over signs `now` (P,) once those have settled, per bond.

    Bonds of strength (M,) are decided strongest first (a spanning tree), then places turn that would rather be turned.

    Args:
        strength: positive where both places have one sign; alone: (P,), positive where a place is rather above zero.
    """
    places = len(alone)

    def matrix(entries: Floats) -> csr_matrix:
        return csr_matrix((entries, (pairs[:, 0], pairs[:, 1])), shape=(places, places))

    tree = minimum_spanning_tree(matrix(-np.abs(strength) - 1e-6))
    bound = matrix(strength)
    bound = (bound + bound.T).tocsr()
    sides = matrix(np.where(strength < 0, -1.0, 1.0))
    sides = (sides + sides.T).tocsr()
    order, parent = breadth_first_order(tree, 0, directed=False)
    parent = parent.copy()
    parent[order[0]] = order[0]
    parent[parent < 0] = order[0]
    field = np.asarray(sides[np.arange(places), parent]).ravel()
    field[field == 0] = 1.0
    while (parent != order[0]).any():  # each place takes over its ancestors' signs, twice as many at a time
        field, parent = field * field[parent], parent[parent]

    def energy(f: Floats) -> float:
        return float(f @ (bound @ f) / 2 + alone @ f)

    def settle(f: Floats) -> Floats:
        f = f.copy()
        for _ in range(_SETTLING):
            pull = (bound @ f + alone) * f
            against = np.flatnonzero(pull < 0)
            if not len(against):
                break
            f[against[np.argsort(pull[against])[: max(1, len(against) // 4)]]] *= -1
        return f

    now = np.where(now < 0, -1.0, 1.0)
    found = max((settle(field), settle(-field)), key=lambda f: float((f * now).sum()))
    return found, (energy(found) - energy(settle(now))) / max(len(pairs), 1)
