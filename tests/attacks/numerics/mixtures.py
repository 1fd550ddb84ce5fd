"""Mixing matrices at random, and a release with recurring public images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.numerics.demix import Demixed
from ihaudit.attacks.numerics.least_squares import exactly
from ihaudit.attacks.numerics.mixing import Mixing
from tests.attacks.prng.helpers import natural

PRIVATE, ENCODINGS, SIZE = 10, 300, 32
#: private images, mixtures, first solution, weights of private and of public images
Recurring = tuple[NDArray[np.float32], NDArray[np.float32], Demixed, NDArray[np.float64], NDArray[np.float64]]


def random_mixing(rows: int = 40, unknowns: int = 5, seed: int = 0) -> Mixing:
    """Two different images an encoding, with weights from 0.1 to 0.5."""
    g = torch.Generator().manual_seed(seed)
    members = torch.stack([torch.randperm(unknowns, generator=g)[:2] for _ in range(rows)])
    lam = torch.rand(rows, 2, generator=g) * 0.4 + 0.1
    return Mixing(members, lam, 1 - lam.sum(1), unknowns)


def patchy(n: int, seed: int) -> NDArray[np.float32]:
    """float32 (n, 32, 32, 3) on [-1, 1]: textured in some quarters, nearly flat in others, as photographs are."""
    rng = np.random.default_rng(seed)
    x = 2 * natural(n, seed, SIZE) - 1
    strength = np.kron(np.exp(rng.normal(-0.5, 1.0, (n, 4, 4))), np.ones((8, 8)))[..., None]
    mean = x.mean((1, 2), keepdims=True)
    result: NDArray[np.float32] = np.clip(mean + (x - mean) * strength, -1, 1).astype(np.float32)
    return result


def recurring_release(pool: int, seed: int = 0) -> Recurring:
    """Two of `PRIVATE` private and three of `pool` public images per encoding."""
    rng = np.random.default_rng(seed)
    private, public = patchy(PRIVATE, seed), patchy(pool, seed + 1)
    lam = rng.dirichlet(np.full(5, 2.0), ENCODINGS)
    members = np.stack([rng.permutation(np.tile(np.arange(PRIVATE), ENCODINGS // PRIVATE)) for _ in range(2)], 1)
    drawn = rng.integers(0, pool, (ENCODINGS, 3))
    c, used = np.zeros((ENCODINGS, PRIVATE)), np.zeros((ENCODINGS, pool))
    for j in range(2):
        np.add.at(c, (np.arange(ENCODINGS), members[:, j]), lam[:, j])
    for j in range(3):
        np.add.at(used, (np.arange(ENCODINGS), drawn[:, j]), lam[:, 2 + j])
    u = (np.tensordot(c, private, 1) + np.tensordot(used, public, 1)).astype(np.float32)
    x, noise = exactly(u.reshape(ENCODINGS, -1), Mixing.of(members.astype(np.int64), lam[:, :2], 1 - c.sum(1), PRIVATE))
    images = x[:-1].reshape(-1, *u.shape[1:])
    first = Demixed(images, members.astype(np.int64), lam[:, :2].astype(np.float32), noise, np.arange(PRIVATE))
    return private, u, first, c, used
