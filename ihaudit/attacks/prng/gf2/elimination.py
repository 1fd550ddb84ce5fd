"""Linear algebra over GF(2), bit-packed: one system with one right-hand side, by the method of the four Russians.

Column j of a row is bit ``j % 64`` of its word ``j // 64``; column `n` (just past the unknowns) holds the right-hand
side.  Words are stored in column tiles, (tiles, rows, TILE), so that each update streams through memory: 20,064
equations in 19,937 unknowns take 50 MB and about a second.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel
from ihaudit.attacks.prng.gf2.bits import U64, pack, parity, unpack
from ihaudit.attacks.prng.gf2.decoding import decode, syndromes
from ihaudit.environment import cores

TILE = 40  # words; the eight 256-row tables of a tile (640 KB) stay in the second-level cache


@dataclass(frozen=True, eq=False)
class LinearSolution:
    """Outcome of `solve`.

    Attributes:
        bits: uint8 (n,) one solution (free unknowns are zero), meaningful where ``inconsistent == 0``.
        rank: number of independent equations.
        surplus: equations left over once the rank is reached; each is a test with one bit of evidence.
        inconsistent: how many of them are violated: about half where the model is wrong, none where it is right.
        wrong: int64 (t,), the equations that a decoder found wrong (`decode`); those `bits` are solved without them.
    """

    bits: NDArray[np.uint8]
    rank: int
    surplus: int
    inconsistent: int
    wrong: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


@kernel
def _panel(a, c, r0, colmask, word, comb, history, panels, order):  # type: ignore[no-untyped-def]
    """Pivots among the columns of word `c`; comb[i] = which pivot rows clear row i.  Returns how many.

    history (the combs of earlier panels) and order (original indices) are permuted along with the rows.
    """
    tiles, m, _ = a.shape
    t, k = c // TILE, c % TILE
    one = np.uint64(1)
    for i in range(r0, m):
        word[i] = a[t, i, k]
        comb[i] = 0
    p = 0
    for j in range(64):
        shift = np.uint64(j)
        if not (colmask >> shift) & one:
            continue
        found = -1
        for i in range(r0 + p, m):
            if (word[i] >> shift) & one:
                found = i
                break
        if found < 0:
            continue
        top = r0 + p
        if found != top:
            word[top], word[found] = word[found], word[top]
            comb[top], comb[found] = comb[found], comb[top]
            order[top], order[found] = order[found], order[top]
            for k2 in range(panels):
                history[k2, top], history[k2, found] = history[k2, found], history[k2, top]
            for y in range(t, tiles):
                for x in range(TILE):
                    a[y, top, x], a[y, found, x] = a[y, found, x], a[y, top, x]
        pivot = word[top]
        mark = one << np.uint64(p)
        for i in range(top + 1, m):
            hit = np.uint64(0) - ((word[i] >> shift) & one)
            word[i] ^= pivot & hit
            comb[i] |= mark & hit
        p += 1
    # make the pivot rows themselves whole, in order: each depends on earlier ones only
    for q in range(1, p):
        rest = comb[r0 + q]
        for s in range(q):
            if (rest >> np.uint64(s)) & one:
                for y in range(t, tiles):
                    for x in range(TILE):
                        a[y, r0 + q, x] ^= a[y, r0 + s, x]
    return p


@kernel
def _update(a, r0, p, comb, tables):  # type: ignore[no-untyped-def]
    """One tile (rows, TILE), rows below the pivots: xor in the pivot rows that comb names, eight at a time by table."""
    for g in range(8):
        for x in range(TILE):
            tables[g, 0, x] = 0
        for b in range(8):
            size = 1 << b
            row = g * 8 + b
            for s in range(size):
                for x in range(TILE):
                    tables[g, size + s, x] = tables[g, s, x] ^ (a[r0 + row, x] if row < p else np.uint64(0))
    low = np.uint64(255)
    for i in range(r0 + p, a.shape[0]):
        z = comb[i]
        t0 = tables[0, np.int64(z & low)]
        t1 = tables[1, np.int64((z >> np.uint64(8)) & low)]
        t2 = tables[2, np.int64((z >> np.uint64(16)) & low)]
        t3 = tables[3, np.int64((z >> np.uint64(24)) & low)]
        t4 = tables[4, np.int64((z >> np.uint64(32)) & low)]
        t5 = tables[5, np.int64((z >> np.uint64(40)) & low)]
        t6 = tables[6, np.int64((z >> np.uint64(48)) & low)]
        t7 = tables[7, np.int64((z >> np.uint64(56)) & low)]
        for x in range(TILE):
            a[i, x] ^= t0[x] ^ t1[x] ^ t2[x] ^ t3[x] ^ t4[x] ^ t5[x] ^ t6[x] ^ t7[x]


@kernel
def _pivot_columns(a, c, colmask, r0, p, pivots):  # type: ignore[no-untyped-def]
    """Pivot column of the p new rows: their lowest set bit in word c (earlier pivots of the panel are cleared)."""
    for q in range(p):
        w = a[c // TILE, r0 + q, c % TILE] & colmask
        j = 0
        while not (w >> np.uint64(j)) & np.uint64(1):
            j += 1
        pivots[r0 + q] = c * 64 + j


@kernel
def _back_substitute(a, n, pivots, rank, bits):  # type: ignore[no-untyped-def]
    """bits: packed solution, all free unknowns 0.  Row r has its pivot in column pivots[r], zeros in earlier pivots."""
    one = np.uint64(1)
    words = (n + 63) // 64
    for r in range(rank - 1, -1, -1):
        col = pivots[r]
        acc = np.uint64(0)
        for x in range(col // 64, words):
            acc ^= a[x // TILE, r, x % TILE] & bits[x]
        rhs = a[(n // 64) // TILE, r, (n // 64) % TILE] >> np.uint64(n % 64)
        bits[col // 64] |= (parity(acc) ^ (rhs & one)) << np.uint64(col % 64)


def system(m: int, n: int) -> U64:
    """An all-zero system of `m` equations in `n` unknowns: uint64 (tiles, m, TILE), to be filled and solved."""
    return np.zeros((n // 64 // TILE + 1, m, TILE), np.uint64)


def solve(a: U64, n: int, *, threads: int | None = None, correct: int = 0) -> LinearSolution:
    """Solve the packed, tiled system in place.

    Args:
        a: uint64 (tiles, m, TILE) with ``64 * TILE * tiles > n``; destroyed.  Column n is the right-hand side.
        n: number of unknowns.
        threads: worker threads; all cores where None.
        correct: how many wrong equations (at most 3) to look for when some surplus equation is violated; they are named
            in the answer, for a second solution without them.  Takes as much memory again.

    Returns:
        LinearSolution: with ``rank + surplus == m``.
    """
    tiles, m, _ = a.shape
    if tiles * TILE * 64 <= n:
        raise ValueError(f"{tiles} tiles hold {tiles * TILE * 64} columns; {n} unknowns need at least {n + 1}")
    word, comb = np.zeros(m, np.uint64), np.zeros(m, np.uint64)
    pivots = np.zeros(m, np.int64)
    threads = min(threads or cores(), tiles)
    tables = [np.zeros((8, 256, TILE), np.uint64) for _ in range(threads)]
    rank = 0
    order = np.arange(m)
    history = np.zeros(((n + 63) // 64 if correct else 0, m), np.uint64)
    first: list[int] = []

    def share(worker: int, c: int, p: int) -> None:
        for t in range(c // TILE + worker, tiles, threads):
            _update(a[t], rank, p, comb, tables[worker])

    with ThreadPoolExecutor(threads) as pool:
        for c in range((n + 63) // 64):
            if rank == m:
                break
            live = min(64, n - 64 * c)
            colmask = np.uint64((1 << live) - 1)
            p = _panel(a, c, rank, colmask, word, comb, history, len(first) if correct else 0, order)
            if p == 0:
                continue
            if correct:
                history[len(first), rank:] = comb[rank:]
            first.append(rank)
            _pivot_columns(a, c, colmask, rank, p, pivots)
            list(pool.map(lambda w, c=c, p=p: share(w, c, p), range(threads)))
            rank += p
    bits = np.zeros((n + 63) // 64, np.uint64)
    _back_substitute(a, n, pivots, rank, bits)
    rhs = (a[(n // 64) // TILE, rank:, (n // 64) % TILE] >> np.uint64(n % 64)) & np.uint64(1)
    bad = int(rhs.sum())
    wrong = np.zeros(0, np.int64)
    if bad and correct and m - rank >= 100:
        parts = np.zeros((m, 2), np.uint64)
        syndromes(history[: len(first)], np.array(first), order, rank, m, parts)
        first_tests = np.zeros(128, np.uint8)
        first_tests[: len(rhs)] = rhs[:128]
        found = decode(parts, pack(first_tests), correct)
        if found is not None:
            wrong = found
    return LinearSolution(unpack(bits, n), int(rank), int(m - rank), bad, wrong)
