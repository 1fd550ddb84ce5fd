"""Which equations of an inconsistent system over GF(2) are wrong: syndrome decoding of at most three errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel
from ihaudit.attacks.prng.gf2.bits import U64


@kernel
def syndromes(history, first, order, rank, m, out):  # type: ignore[no-untyped-def]
    """out[e] (2 words): which of the first 128 surplus rows equation e is part of.

    Undoes the elimination: a finished row is its equation plus the pivot rows its combs name, and so on downwards.
    """
    panels = history.shape[0]
    need = np.zeros((rank, 2), np.uint64)
    one = np.uint64(1)
    for r in range(rank, min(m, rank + 128)):
        k = r - rank
        out[order[r], k // 64] = one << np.uint64(k % 64)
        for p in range(panels):
            bits = history[p, r]
            q = first[p]
            while bits:
                if bits & one:
                    need[q, k // 64] ^= one << np.uint64(k % 64)
                bits >>= one
                q += 1
    for row in range(rank - 1, -1, -1):
        x, y = need[row, 0], need[row, 1]
        out[order[row], 0] = x
        out[order[row], 1] = y
        for p in range(panels):
            if first[p] > row:
                break
            bits = history[p, row]
            q = first[p]
            while bits:
                if bits & one:
                    need[q, 0] ^= x
                    need[q, 1] ^= y
                bits >>= one
                q += 1


@kernel
def _triples(h, s, bitmap, mask):  # type: ignore[no-untyped-def]
    """Pairs (i, j) for which s ^ h[i] ^ h[j] hits the bitmap of all h (a few false alarms), at most 4096 of them."""
    found = np.zeros((4096, 2), np.int64)
    n = 0
    for i in range(h.shape[0]):
        t = s ^ h[i]
        for j in range(i + 1, h.shape[0]):
            v = (t ^ h[j]) & mask
            if (bitmap[v >> np.uint64(6)] >> (v & np.uint64(63))) & np.uint64(1):
                # second look at other bits before it counts
                w = (t ^ h[j]) >> np.uint64(40)
                v = w & mask
                if (bitmap[(v >> np.uint64(6)) + np.uint64(bitmap.shape[0] // 2)] >> (v & np.uint64(63))) & np.uint64(
                    1
                ):
                    found[n, 0] = i
                    found[n, 1] = j
                    n += 1
                    if n == 4096:
                        return found, n
    return found, n


def decode(syndromes: U64, target: U64, most: int) -> NDArray[np.int64] | None:
    """At most `most` (<= 3) equations whose syndromes add up to `target`: the wrong ones, or None.

    With 127 surplus equations a set of three among 20,000 fits by chance with probability 2^-87.
    """
    equation = {row.tobytes(): e for e, row in enumerate(syndromes)}

    def lookup(value: U64) -> int:
        return equation.get(value.tobytes(), -1)

    if most >= 1 and (a := lookup(target)) >= 0:
        return np.array([a])
    if most >= 2:
        rest = target[0] ^ syndromes[:, 0]
        for i in np.flatnonzero(np.isin(rest, syndromes[:, 0])):
            j = lookup(target ^ syndromes[i])
            if j >= 0 and j != i:
                return np.array(sorted((int(i), j)))
    if most >= 3:
        bits = 22
        mask = np.uint64((1 << bits) - 1)
        half = (1 << bits) // 64
        bitmap = np.zeros(2 * half, np.uint64)
        for part, base in ((syndromes[:, 0] & mask, 0), ((syndromes[:, 0] >> np.uint64(40)) & mask, half)):
            np.bitwise_or.at(
                bitmap, (part >> np.uint64(6)).astype(np.int64) + base, np.uint64(1) << (part & np.uint64(63))
            )
        pairs, n = _triples(np.ascontiguousarray(syndromes[:, 0]), target[0], bitmap, mask)
        for i, j in pairs[:n]:
            k = lookup(target ^ syndromes[i] ^ syndromes[j])
            if k >= 0 and k not in (i, j):
                return np.array(sorted((int(i), int(j), k)))
    return None
