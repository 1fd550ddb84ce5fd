"""Vectors over GF(2) in words of 64: bit i of word i // 64 is element i."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import inlined

U64 = NDArray[np.uint64]


def pack(bits: NDArray[Any]) -> U64:
    """0/1 array (..., n) -> uint64 (..., ceil(n / 64)), bit j of word i is element 64 i + j."""
    packed = np.packbits(np.asarray(bits, np.uint8), axis=-1, bitorder="little")
    whole = [(0, 0)] * (packed.ndim - 1) + [(0, -packed.shape[-1] % 8)]
    return np.ascontiguousarray(np.pad(packed, whole)).view("<u8").astype(np.uint64, copy=False)


def unpack(words: U64, n: int) -> NDArray[np.uint8]:
    """The inverse of `pack`: uint64 (..., W) -> uint8 (..., n)."""
    raw = np.ascontiguousarray(words).astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(raw, axis=-1, bitorder="little")[..., :n]


@inlined
def parity(word):  # type: ignore[no-untyped-def]
    """0 or 1: the sum of a word's bits, for kernels; uint64."""
    w = np.uint64(word)
    w ^= w >> np.uint64(32)
    w ^= w >> np.uint64(16)
    w ^= w >> np.uint64(8)
    w ^= w >> np.uint64(4)
    w ^= w >> np.uint64(2)
    w ^= w >> np.uint64(1)
    return w & np.uint64(1)
