"""Generators that are not linear over GF(2), as kernels: SeedSequence, PCG64, Philox4x32-10.

PCG64 and SeedSequence: O'Neill 2014 and NumPy's documentation (numpy.random.default_rng); Philox: Salmon et al. 2011
(Random123), used by torch on CUDA.  All are compared bit by bit with the libraries, or the published vectors, in tests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel


@kernel
def seed_sequence(seed, out):  # type: ignore[no-untyped-def]
    """``SeedSequence(seed).generate_state(len(out))`` for one 32-bit seed: uint32 words into `out`."""
    mult_a, mult_b = np.uint32(0x931E8875), np.uint32(0x58F38DED)
    mix_l, mix_r = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
    s16 = np.uint32(16)
    pool = np.zeros(4, np.uint32)
    const = np.uint32(0x43B0D7E5)
    for i in range(4):
        v = np.uint32(seed) if i == 0 else np.uint32(0)
        v = np.uint32(v ^ const)
        const = np.uint32(const * mult_a)
        v = np.uint32(v * const)
        pool[i] = np.uint32(v ^ np.uint32(v >> s16))
    for src in range(4):
        for dst in range(4):
            if src != dst:
                v = np.uint32(pool[src] ^ const)
                const = np.uint32(const * mult_a)
                v = np.uint32(v * const)
                v = np.uint32(v ^ np.uint32(v >> s16))
                r = np.uint32(np.uint32(mix_l * pool[dst]) - np.uint32(mix_r * v))
                pool[dst] = np.uint32(r ^ np.uint32(r >> s16))
    const = np.uint32(0x8B51F9DD)
    for i in range(out.shape[0]):
        v = np.uint32(pool[i % 4] ^ const)
        const = np.uint32(const * mult_b)
        v = np.uint32(v * const)
        out[i] = np.uint32(v ^ np.uint32(v >> s16))


@kernel
def _mul64(a, b):  # type: ignore[no-untyped-def]
    """(high, low) words of the 128-bit product of two uint64."""
    m, s = np.uint64(0xFFFFFFFF), np.uint64(32)
    al, ah, bl, bh = a & m, a >> s, b & m, b >> s
    ll, lh, hl, hh = al * bl, al * bh, ah * bl, ah * bh
    mid = (ll >> s) + (lh & m) + (hl & m)
    return hh + (lh >> s) + (hl >> s) + (mid >> s), (ll & m) | (mid << s)


@kernel
def _pcg_step(hi, lo, inc_hi, inc_lo):  # type: ignore[no-untyped-def]
    """state * multiplier + inc modulo 2^128."""
    mul_hi, mul_lo = np.uint64(0x2360ED051FC65DA4), np.uint64(0x4385DF649FCCF645)
    p_hi, p_lo = _mul64(lo, mul_lo)
    p_hi += hi * mul_lo + lo * mul_hi
    r_lo = p_lo + inc_lo
    r_hi = p_hi + inc_hi + (np.uint64(1) if r_lo < p_lo else np.uint64(0))
    return r_hi, r_lo


@kernel
def pcg64_start(seed, work):  # type: ignore[no-untyped-def]
    """(state high, low, increment high, low) of ``default_rng(seed)``; work uint32 (8,)."""
    seed_sequence(seed, work)
    s = np.uint64(32)
    v0 = np.uint64(work[0]) | (np.uint64(work[1]) << s)
    v1 = np.uint64(work[2]) | (np.uint64(work[3]) << s)
    v2 = np.uint64(work[4]) | (np.uint64(work[5]) << s)
    v3 = np.uint64(work[6]) | (np.uint64(work[7]) << s)
    one = np.uint64(1)
    inc_hi, inc_lo = (v2 << one) | (v3 >> np.uint64(63)), (v3 << one) | one
    hi, lo = _pcg_step(np.uint64(0), np.uint64(0), inc_hi, inc_lo)
    r_lo = lo + v1
    hi = hi + v0 + (one if r_lo < lo else np.uint64(0))
    hi, lo = _pcg_step(hi, r_lo, inc_hi, inc_lo)
    return hi, lo, inc_hi, inc_lo


@kernel
def pcg64(seed, out):  # type: ignore[no-untyped-def]
    """The first outputs of ``default_rng(seed)``'s bit generator: uint64 into `out`."""
    work = np.zeros(8, np.uint32)
    hi, lo, inc_hi, inc_lo = pcg64_start(seed, work)
    for i in range(out.shape[0]):
        hi, lo = _pcg_step(hi, lo, inc_hi, inc_lo)
        x = hi ^ lo
        r = hi >> np.uint64(58)
        out[i] = (x >> r) | (x << ((np.uint64(64) - r) & np.uint64(63)))


@kernel
def philox(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Philox4x32-10 of one counter under one key: four uint32."""
    m0, m1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
    s = np.uint64(32)
    for r in range(10):
        if r:
            k0 = np.uint32(np.uint32(k0) + np.uint32(0x9E3779B9))
            k1 = np.uint32(np.uint32(k1) + np.uint32(0xBB67AE85))
        p0, p1 = m0 * np.uint64(c0), m1 * np.uint64(c2)
        n0 = np.uint32(np.uint32(np.uint32(p1 >> s) ^ np.uint32(c1)) ^ np.uint32(k0))
        n2 = np.uint32(np.uint32(np.uint32(p0 >> s) ^ np.uint32(c3)) ^ np.uint32(k1))
        c1, c3 = np.uint32(p1), np.uint32(p0)
        c0, c2 = n0, n2
    return np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3)


#: Kinds of `match`, and the calls they stand for.
KINDS: dict[int, tuple[str, str]] = {
    0: ("PCG64 (default_rng)", "rng.integers(0, 2), rng.choice([-1, 1])"),
    1: ("PCG64 (default_rng)", "rng.random() < .5"),
    2: (
        "Philox4x32-10 (torch on CUDA)",
        "torch.randint(2), element i from thread i, offset 0 (not checked on a GPU)",
    ),
    3: ("MT19937 (init_by_array)", "random.getrandbits(1)"),
    4: ("MT19937 (init_by_array)", "random.random() < .5"),
    5: ("MT19937 (init_by_array)", "numpy.random.seed([s]); numpy.random.randint(0, 2)"),
}


@kernel
def _bit_pcg(seed, n, kind, bits, work):  # type: ignore[no-untyped-def]
    hi, lo, inc_hi, inc_lo = pcg64_start(seed, work)
    i = 0
    while i < n:
        hi, lo = _pcg_step(hi, lo, inc_hi, inc_lo)
        x = hi ^ lo
        r = hi >> np.uint64(58)
        y = (x >> r) | (x << ((np.uint64(64) - r) & np.uint64(63)))
        if kind == 0:  # 32-bit halves, low one first; Lemire's method on a range of two keeps the top bit
            bits[i] = np.uint8((y >> np.uint64(31)) & np.uint64(1))
            if i + 1 < n:
                bits[i + 1] = np.uint8(y >> np.uint64(63))
            i += 2
        else:
            bits[i] = np.uint8(y >> np.uint64(63))
            i += 1


@kernel
def element_bits(seed, n, kind, bits, mt):  # type: ignore[no-untyped-def]
    """The first n mask bits under a seed and a kind (see KINDS): uint8 into `bits`; mt uint32 (1872,) is work space."""
    if kind <= 1:
        _bit_pcg(seed, n, kind, bits, mt)
        return
    if kind == 2:
        for i in range(n):
            x, _, _, _ = philox(np.uint32(0), np.uint32(0), np.uint32(i), np.uint32(0), np.uint32(seed), np.uint32(0))
            bits[i] = np.uint8(x & np.uint32(1))
        return
    stride = 2 if kind == 4 else 1
    shift = np.uint32(0) if kind == 5 else np.uint32(31)
    # init_by_array([seed]); mt[624:1248] keeps init_genrand(19650218), computed by the caller once
    base = 624
    mult1, mult2, s30 = np.uint32(1664525), np.uint32(1566083941), np.uint32(30)
    for i in range(624):
        mt[i] = mt[base + i]
    key = np.uint32(seed)
    for t in range(624):
        i = t + 1 if t < 623 else 1
        if t == 623:
            mt[0] = mt[623]
        p = mt[i - 1]
        mt[i] = np.uint32(np.uint32(mt[i] ^ np.uint32(np.uint32(p ^ np.uint32(p >> s30)) * mult1)) + key)
    for t in range(623):
        i = t + 2 if t < 622 else 1
        if t == 622:
            mt[0] = mt[623]
        p = mt[i - 1]
        mt[i] = np.uint32(np.uint32(mt[i] ^ np.uint32(np.uint32(p ^ np.uint32(p >> s30)) * mult2)) - np.uint32(i))
    mt[0] = np.uint32(0x80000000)
    words = n * stride
    for w in range(words):
        a = w % 624
        b = (w + 1) % 624
        c = (w + 397) % 624
        y = np.uint32(np.uint32(mt[a] & np.uint32(0x80000000)) | np.uint32(mt[b] & np.uint32(0x7FFFFFFF)))
        v = np.uint32(mt[c] ^ np.uint32(y >> np.uint32(1)))
        if y & np.uint32(1):
            v = np.uint32(v ^ np.uint32(0x9908B0DF))
        mt[a] = v
        if w % stride == 0:
            v = np.uint32(v ^ np.uint32(v >> np.uint32(11)))
            v = np.uint32(v ^ np.uint32(np.uint32(v << np.uint32(7)) & np.uint32(0x9D2C5680)))
            v = np.uint32(v ^ np.uint32(np.uint32(v << np.uint32(15)) & np.uint32(0xEFC60000)))
            v = np.uint32(v ^ np.uint32(v >> np.uint32(18)))
            bits[w // stride] = np.uint8((v >> shift) & np.uint32(1))


@kernel
def match(first, count, kind, u, v, differ, stages, allowed, genrand, out):  # type: ignore[no-untyped-def]
    """Seeds first..first+count-1 under which the pairs (u, v) of mask bits differ as observed.

    Args:
        u, v: int64 stream indices, sorted by the larger of the two.
        stages: int64, ascending counts of leading pairs after which a seed is dropped if too many disagree; the last
            one is all of them.
        allowed: int64, disagreements allowed at each stage.
        genrand: uint32 (624,), init_genrand(19650218).
        out: uint32, receives the seeds.

    Returns:
        how many matched (more than fit into `out` are dropped).
    """
    work = np.zeros(1872, np.uint32)
    for i in range(624):
        work[624 + i] = genrand[i]
    n = u.shape[0]
    bits = np.zeros(max(u[n - 1], v[n - 1]) + 3, np.uint8)
    found = 0
    for k in range(count):
        seed = np.uint32(np.uint64(first) + np.uint64(k))
        fine = True
        for s in range(stages.shape[0]):
            end = stages[s]
            element_bits(seed, max(u[end - 1], v[end - 1]) + 1, kind, bits, work)
            wrong = 0
            for i in range(end):
                if (bits[u[i]] ^ bits[v[i]]) != differ[i]:
                    wrong += 1
                    if wrong > allowed[s]:
                        break
            if wrong > allowed[s]:
                fine = False
                break
        if fine:
            if found < out.shape[0]:
                out[found] = seed
            found += 1
    return found


def first_bits(seed: int, n: int, kind: int) -> NDArray[np.uint8]:
    """The first n mask bits under a 32-bit seed and a kind of `KINDS`: uint8 (n,)."""
    from ihaudit.attacks.prng.mt import init_genrand

    work = np.zeros(1872, np.uint32)
    work[624:1248] = init_genrand(19650218)
    bits = np.zeros(n + 2, np.uint8)
    element_bits(np.uint32(seed & 0xFFFFFFFF), n, kind, bits, work)
    return bits[:n]
