"""Mask bits drawn by the libraries themselves, by every call that `KINDS` names."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Draw = Callable[[int, int], object]


Call = Callable[[np.random.Generator, int], object]

_INTEGERS: list[Call] = [
    lambda r, n: r.integers(0, 2, n),
    lambda r, n: r.integers(0, 2, n, dtype=np.int32),
    lambda r, n: (r.choice([-1, 1], n) + 1) // 2,
    lambda r, n: r.random(n, dtype=np.float32) >= 0.5,
]
_RANDOM: list[Call] = [
    lambda r, n: r.random(n) >= 0.5,
    lambda r, n: r.binomial(1, 0.5, n),
    lambda r, n: r.uniform(-1, 1, n) > 0,
]


def _numpy(source: type, calls: list[Call]) -> list[Draw]:
    return [lambda s, n, f=f: f(np.random.Generator(source(s)), n) for f in calls]  # type: ignore[misc]


def _rng(f: Call) -> Draw:
    return lambda s, n: f(np.random.default_rng(s), n)


def _python(f: Callable[[random.Random], object]) -> Draw:
    def draw(s: int, n: int) -> object:
        source = random.Random(s)
        return [f(source) for _ in range(n)]

    return draw


#: By key of `KINDS`; Philox as torch has it on CUDA has no library to draw from here.
CALLS: dict[int, list[Draw]] = {
    0: _numpy(np.random.PCG64, _INTEGERS),
    1: _numpy(np.random.PCG64, _RANDOM),
    3: [_python(lambda r: r.getrandbits(1))],
    4: [
        _python(lambda r: r.random() >= 0.5),
        _python(lambda r: r.uniform(-1, 1) > 0),
        lambda s, n: random.Random(s).choices([0, 1], k=n),
    ],
    5: [lambda s, n: np.random.RandomState([s]).randint(0, 2, n)],
    6: [_python(lambda r: r.choice([0, 1])), _python(lambda r: r.randint(0, 1))],
    7: [
        _rng(lambda r, n: r.integers(0, 2, n, dtype=np.int8)),
        _rng(lambda r, n: r.integers(0, 2, n, dtype=np.uint8)),
    ],
    8: [_rng(lambda r, n: r.integers(0, 2, n, dtype=bool))],
    9: [_rng(lambda r, n: np.unpackbits(np.frombuffer(r.bytes(-(-n // 8)), np.uint8))[:n])],
    10: _numpy(np.random.Philox, _INTEGERS),
    11: _numpy(np.random.Philox, _RANDOM),
    12: _numpy(np.random.SFC64, _INTEGERS),
    13: _numpy(np.random.SFC64, _RANDOM),
}


def philox_cuda(seed: int, n: int) -> NDArray[np.uint8]:
    """Bits of kind 2 by plain Python integers, from the definition of Philox4x32-10."""
    out = np.zeros(n, np.uint8)
    for i in range(n):
        c, k = [0, 0, i, 0], [seed, 0]
        for _ in range(10):
            a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [b >> 32 ^ c[1] ^ k[0], b & 0xFFFFFFFF, a >> 32 ^ c[3] ^ k[1], a & 0xFFFFFFFF]
            k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
        out[i] = c[0] & 1
    return out


def drawn(kind: int, seed: int, n: int) -> list[NDArray[np.uint8]]:
    """The first n mask bits under a seed, uint8 (n,), once for every call that stands for a kind."""
    if kind == 2:
        return [philox_cuda(seed, n)]
    return [np.asarray(f(seed, n), np.uint8) for f in CALLS[kind]]
