"""Two clouds of white vectors on a grid that are the same but for a rotation: a first estimate of it, in closed form.

A rotation leaves lengths alone.  The mean of vectors weighted by the squared length of a vector so many places away is
carried along by it, and so are the means at the places themselves: dozens of known directions and their images, which
give the rotation at once (Procrustes).  The covariances of vectors so many places apart then sharpen it: R A R' = B for
every lag, as in blind source separation by second moments (Belouchrani et al. 1997).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ihaudit.attacks.numerics.unpaired.places import Doubles, Floats

#: places that vectors may be apart
REACH = 3
#: squared contrast added before vectors are divided by it
LEAST_CONTRAST = 0.1
#: mean square of directions below which they show nothing
LEAST_POWER = 1e-3
#: rounds of sharpening, and the change at which they end
ROUNDS, CHANGE = 100, 1e-5


def rotation(from_: Floats, to: Floats) -> Doubles:
    """float64 (r, r), orthogonal: `from_` (m, rows, columns, r) is distributed like z R for z in `to` (n, ...)."""
    goal, lags, seen, seen_lags = directions(from_), _lags(from_), directions(to), _lags(to)
    out = _orthogonal(sum((b @ a.T / power(a) for a, b in zip(goal, seen, strict=True)), np.zeros(lags.shape[1:])))
    for _ in range(ROUNDS):
        last = out
        forth, back = seen_lags @ out @ lags.transpose(0, 2, 1), seen_lags.transpose(0, 2, 1) @ out @ lags
        out = _orthogonal((forth + back).sum(0))
        if float(np.abs(out - last).max()) < CHANGE:
            break
    return out


def contrasts(z: Floats) -> tuple[Floats, Floats, Floats]:
    """White vectors (n, rows, columns, r) as they are, of one contrast per image, and of one contrast each.

    A rotation leaves contrasts alone, so that all three are carried along.
    """
    own = (z**2).mean(-1, keepdims=True)
    whole = own.mean((1, 2), keepdims=True)
    least = np.float32(LEAST_CONTRAST)
    return z, z / np.sqrt(whole + least), z / np.sqrt(own + least)


def directions(z: Floats) -> tuple[Doubles, Doubles]:
    """What a rotation carries along: means weighted by squared lengths, float64 (r, k), and at places, (r, places)."""
    r = z.shape[-1]
    length = (z**2).sum(-1) - r
    out = [z.reshape(-1, r).T @ length.reshape(-1) / length.size]
    for first, second in _pairs(*z.shape[1:3]):
        a, b = z[first].reshape(-1, r), z[second].reshape(-1, r)
        out += [a.T @ length[second].reshape(-1) / len(a), b.T @ length[first].reshape(-1) / len(a)]
    return np.stack(out, 1).astype(np.float64), z.mean(0, dtype=np.float64).reshape(-1, r).T


def power(directions: Doubles) -> float:
    """Their mean square, or what noise has where there is nothing, as of places that were marked."""
    return max(float((directions**2).mean()), LEAST_POWER)


def _lags(z: Floats) -> Doubles:
    """float64 (lags, r, r): covariances of vectors so many places apart."""
    r = z.shape[-1]
    sides = [(z[a].reshape(-1, r), z[b].reshape(-1, r)) for a, b in _pairs(*z.shape[1:3])]
    return np.stack([a.T @ b / len(a) for a, b in sides]).astype(np.float64)


def _pairs(rows: int, columns: int) -> Iterator[tuple[Any, Any]]:
    """Slices of vectors on a grid and of those so many places down and to the right of them."""
    for down in range(min(REACH, rows - 1) + 1):
        for right in range(-min(REACH, columns - 1), min(REACH, columns - 1) + 1):
            if down or right > 0:
                left, rest = max(0, -right), max(0, right)
                yield np.s_[:, : rows - down, left : columns - rest], np.s_[:, down:, rest : columns - left]


def _orthogonal(m: Doubles) -> Doubles:
    """The nearest orthogonal matrix."""
    u, _, v = np.linalg.svd(m)
    out: Doubles = u @ v
    return out
