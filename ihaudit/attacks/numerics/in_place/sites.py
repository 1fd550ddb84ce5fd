"""One unknown orthogonal map for each site (a sign, an order of channels with signs), the same in all pictures.

Pictures like the similar ones are Gaussian with precision Q about mean m.  With T the maps, the negative log-likelihood
of all is ``tr(Q T M T') - 2 m' Q T a`` but for a constant, M and a being the second moments and the mean of the
encodings: second moments are enough.  Sites are settled one by one, the surest first, each by those that are settled
already; then all of them are gone through until nothing changes.
"""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

#: white noise in pictures, as a share of their mean variance
NOISE = 0.01
#: rounds through all sites
ROUNDS = 30


def signed_orders(channels: int) -> Floats:
    """float32 (G, C, C): all signed permutations of so many values; the identity first."""
    out = []
    for order in permutations(range(channels)):
        for signs in product((1, -1), repeat=channels):
            m = np.zeros((channels, channels), np.float32)
            m[np.arange(channels), order] = signs
            out.append(m)
    return np.stack(out)


def precision_of(pictures: Floats) -> tuple[Floats, Floats]:
    """float32 (D, D) and (D,): precision and mean of float32 (n, D), with `NOISE`."""
    mean = pictures.mean(0)
    z = pictures - mean
    covariance = z.T @ z / np.float32(len(z))
    size = len(covariance)
    covariance[np.diag_indices(size)] += NOISE * np.trace(covariance) / size
    return np.linalg.inv(covariance).astype(np.float32), mean.astype(np.float32)


def settle(encodings: Floats, precision: Floats, mean: Floats, maps: Floats, starts: int = 3) -> Ints:
    """int64 (P,): the index of the map of every site: the likeliest of a few runs from different sites.

    Args:
        encodings, precision, mean, maps: see `settle_from`.
        starts: runs; the first begins at the site with the most variance.
    """
    n, p, c = encodings.shape
    order = np.argsort(-((encodings - encodings.mean(0)) ** 2).mean((0, 2)))
    best, out = np.inf, np.zeros(p, np.int64)
    for first in order[np.arange(starts) * p // starts]:
        state = settle_from(encodings, precision, mean, maps, int(first))
        z = np.einsum("pij,npj->npi", maps[state], encodings).reshape(n, p * c) - mean
        energy = float(np.einsum("nd,nd->", z @ precision, z))
        if energy < best:
            best, out = energy, state
    return out


def settle_from(encodings: Floats, precision: Floats, mean: Floats, maps: Floats, first: int) -> Ints:
    """int64 (P,): the index of the map of every site, starting from one of them.

    Args:
        encodings: float32 (n, P, c), sites of c values each; weigh pictures before.
        precision: float32 (P * c, P * c), of pictures weighted likewise.
        mean: float32 (P * c,).
        maps: float32 (G, c, c), what may have to be done to a site.
        first: the site that is settled first, by its mean.
    """
    n, p, c = encodings.shape
    flat = encodings.reshape(n, p * c)
    second = (flat.T @ flat / np.float32(n)).reshape(p, c, p, c)
    q = precision.reshape(p, c, p, c)
    own = np.arange(p)
    # Sites that are not settled yet are taken to be as they are on average.
    centre = mean.reshape(p, c)
    linear = np.einsum("pi,pij->pj", centre, q[own, :, own])
    average = flat.mean(0).reshape(p, c)
    # What a map costs by itself, float32 (P, G).
    alone = np.einsum("pij,gjk,pkl,gil->pg", q[own, :, own], maps, second[own, :, own], maps, optimize=True)
    alone -= 2 * np.einsum("pi,gij,pj->pg", linear, maps, average, optimize=True)
    around = np.zeros((p, c, c), np.float32)
    state = np.full(p, -1, np.int64)

    def join(site: int, change: Floats, new: bool) -> None:
        """Add the map of a site (or the difference of two) to what lies around all others."""
        nonlocal around
        added = np.einsum("pij,jk,kpl->pil", second[:, :, site], change.T, q[site], optimize=True)
        if new:
            added -= np.einsum("pi,k,kpl->pil", average, centre[site], q[site], optimize=True)
        added[site] = 0
        around += added

    def costs(sites: Ints | slice) -> Floats:
        out: Floats = alone[sites] + 2 * np.einsum("gij,pji->pg", maps, around[sites], optimize=True)
        return out

    state[first] = int(alone[first].argmin())
    join(first, maps[state[first]], True)
    for _ in range(p - 1):
        open_ = np.flatnonzero(state < 0)
        cost = costs(open_)
        two = np.partition(cost, 1, axis=1)
        pick = int((two[:, 1] - two[:, 0]).argmax())
        site = int(open_[pick])
        state[site] = int(cost[pick].argmin())
        join(site, maps[state[site]], True)
    for _ in range(ROUNDS):
        changed = 0
        for site in range(p):
            best = int(costs(np.array([site]))[0].argmin())
            if best != state[site]:
                join(site, maps[best] - maps[state[site]], False)
                state[site] = best
                changed += 1
        if not changed:
            break
    return state


def weights_of(pictures: Floats) -> Floats:
    """float32 (n, 1): what pictures (n, D) about mid-grey are multiplied by so that all have about the same power."""
    power = np.sqrt((pictures**2).mean(1, keepdims=True))
    out: Floats = (1 / (power + 0.05)).astype(np.float32)
    return out
