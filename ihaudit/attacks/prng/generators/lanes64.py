"""Outputs of counter-based and 64-bit generators under many seeds side by side: PCG64, Philox, SFC64.

Each kernel takes 256 seeds at a time through plain loops, which LLVM turns into vector instructions (so every uint32
operation is wrapped: numba widens it otherwise), and makes only the outputs that are asked for: PCG64 jumps to them by
two multiplications modulo 2^128, Philox counts, SFC64 steps from the seed.

Arguments of all: seeds uint32 (n,), n a multiple of 256; table (outputs, ..), ascending, see each kernel; row int64 and
shift (bits,): the row of `bits` that each bit fills, and its place in its output; begin int64 (outputs + 1,): bits
begin[j]..begin[j + 1] - 1 are of output j; bits uint8 (rows, n), filled in.

PCG64, SeedSequence: O'Neill 2014 and NumPy's documentation; Philox: Salmon et al. 2011 (Random123); SFC64:
Doty-Humphrey's PractRand.
"""

from __future__ import annotations

import numpy as np

from ihaudit.attacks.prng._jit import inlined, kernel

PCG_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645


@inlined
def _hash(v, c, mult):  # type: ignore[no-untyped-def]
    """SeedSequence's hash of a word and its next constant."""
    n = np.uint32(c * mult)
    v = np.uint32(np.uint32(v ^ c) * n)
    return np.uint32(v ^ np.uint32(v >> np.uint32(16))), n


@inlined
def _mix(into, source, c):  # type: ignore[no-untyped-def]
    h, c = _hash(source, c, np.uint32(0x931E8875))
    r = np.uint32(np.uint32(np.uint32(0xCA01F9DD) * into) - np.uint32(np.uint32(0x4973F715) * h))
    return np.uint32(r ^ np.uint32(r >> np.uint32(16))), c


@inlined
def _pool(seed):  # type: ignore[no-untyped-def]
    """The four words of ``SeedSequence(seed).pool`` of a 32-bit seed."""
    mult, zero = np.uint32(0x931E8875), np.uint32(0)
    p0, c = _hash(seed, np.uint32(0x43B0D7E5), mult)
    p1, c = _hash(zero, c, mult)
    p2, c = _hash(zero, c, mult)
    p3, c = _hash(zero, c, mult)
    p1, c = _mix(p1, p0, c)
    p2, c = _mix(p2, p0, c)
    p3, c = _mix(p3, p0, c)
    p0, c = _mix(p0, p1, c)
    p2, c = _mix(p2, p1, c)
    p3, c = _mix(p3, p1, c)
    p0, c = _mix(p0, p2, c)
    p1, c = _mix(p1, p2, c)
    p3, c = _mix(p3, p2, c)
    p0, c = _mix(p0, p3, c)
    p1, c = _mix(p1, p3, c)
    p2, c = _mix(p2, p3, c)
    return p0, p1, p2, p3


@inlined
def _word(low, high, c):  # type: ignore[no-untyped-def]
    """One uint64 of ``generate_state`` from two words of the pool, and the next constant."""
    mult = np.uint32(0x58F38DED)
    x, c = _hash(low, c, mult)
    y, c = _hash(high, c, mult)
    return np.uint64(x) | (np.uint64(y) << np.uint64(32)), c


@kernel
def _seeded(seeds, out):  # type: ignore[no-untyped-def]
    """``SeedSequence(s).generate_state(4, uint64)`` of 256 seeds: uint64 (4, 256) into `out`."""
    w0, w1, w2, w3 = out[0], out[1], out[2], out[3]
    for l in range(256):
        p0, p1, p2, p3 = _pool(seeds[l])
        w0[l], c = _word(p0, p1, np.uint32(0x8B51F9DD))
        w1[l], c = _word(p2, p3, c)
        w2[l], c = _word(p0, p1, c)
        w3[l], c = _word(p2, p3, c)


@inlined
def _wide(a, b):  # type: ignore[no-untyped-def]
    """(high, low) words of the 128-bit product of two uint64."""
    m, s = np.uint64(0xFFFFFFFF), np.uint64(32)
    al, ah, bl, bh = a & m, a >> s, b & m, b >> s
    ll, lh, hl, hh = al * bl, al * bh, ah * bl, ah * bh
    mid = (ll >> s) + (lh & m) + (hl & m)
    return hh + (lh >> s) + (hl >> s) + (mid >> s), (ll & m) | (mid << s)


@inlined
def _affine(hi, lo, inc_hi, inc_lo, a_hi, a_lo, c_hi, c_lo):  # type: ignore[no-untyped-def]
    """state * a + inc * c modulo 2^128, as (high, low)."""
    h, l = _wide(lo, a_lo)
    g, q = _wide(inc_lo, c_lo)
    l += q
    h += hi * a_lo + lo * a_hi + g + inc_hi * c_lo + inc_lo * c_hi + np.uint64(l < q)
    return h, l


@kernel
def emit(y, first, last, row, shift, base, bits):  # type: ignore[no-untyped-def]
    """Bits of the outputs y of the seeds from `base` on: rows row[first:last] of `bits`."""
    n = y.shape[0]
    for p in range(first, last):
        s, out = shift[p], bits[row[p], base : base + n]
        for l in range(n):
            out[l] = np.uint8(y[l] >> s) & np.uint8(1)


@kernel
def pcg64(seeds, table, begin, row, shift, bits):  # type: ignore[no-untyped-def]
    """table uint64 (outputs, 4): the factors that jump from the seeded state and the increment to each output."""
    state = np.empty((4, 256), np.uint64)
    y = np.empty(256, np.uint64)
    one = np.uint64(1)
    hi, lo, inc_hi, inc_lo = state[0], state[1], state[2], state[3]
    for base in range(0, seeds.shape[0], 256):
        _seeded(seeds[base : base + 256], state)
        for l in range(256):
            i_hi, i_lo = (inc_hi[l] << one) | (inc_lo[l] >> np.uint64(63)), (inc_lo[l] << one) | one
            low = lo[l] + i_lo
            hi[l] += i_hi + np.uint64(low < i_lo)
            lo[l], inc_hi[l], inc_lo[l] = low, i_hi, i_lo
        for j in range(table.shape[0]):
            a_hi, a_lo, c_hi, c_lo = table[j, 0], table[j, 1], table[j, 2], table[j, 3]
            for l in range(256):
                h, o = _affine(hi[l], lo[l], inc_hi[l], inc_lo[l], a_hi, a_lo, c_hi, c_lo)
                x, r = h ^ o, h >> np.uint64(58)
                y[l] = (x >> r) | (x << ((np.uint64(64) - r) & np.uint64(63)))
            emit(y, begin[j], begin[j + 1], row, shift, base, bits)


@inlined
def _round32(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """One round of Philox4x32; 32-bit words in uint64, whose products are one vector instruction."""
    m, s = np.uint64(0xFFFFFFFF), np.uint64(32)
    p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
    return (p1 >> s) ^ c1 ^ k0, p1 & m, (p0 >> s) ^ c3 ^ k1, p0 & m


@inlined
def philox4x32(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Philox4x32-10 of one counter under one key: four 32-bit words, as uint64 in and out."""
    m = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        c0, c1, c2, c3 = _round32(c0, c1, c2, c3, k0, k1)
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & m, (k1 + np.uint64(0xBB67AE85)) & m
    return c0, c1, c2, c3


@kernel
def philox4x32_threads(seed, out):  # type: ignore[no-untyped-def]
    """The first word of each subsequence (torch's thread) 0, 1, .. at offset 0 under one seed: uint64 into `out`."""
    zero = np.uint64(0)
    for i in range(out.shape[0]):
        out[i], _, _, _ = philox4x32(zero, zero, np.uint64(i), zero, seed, zero)


@kernel
def philox4x32_lanes(seeds, table, begin, row, shift, bits):  # type: ignore[no-untyped-def]
    """table uint64 (outputs,): the subsequence whose first word is the output; offset 0."""
    y = np.empty(256, np.uint64)
    zero = np.uint64(0)
    for base in range(0, seeds.shape[0], 256):
        key = seeds[base : base + 256]
        for j in range(table.shape[0]):
            thread = table[j]
            for l in range(256):
                y[l], _, _, _ = philox4x32(zero, zero, thread, zero, np.uint64(key[l]), zero)
            emit(y, begin[j], begin[j + 1], row, shift, base, bits)


@kernel
def philox4x64(seeds, table, begin, row, shift, bits):  # type: ignore[no-untyped-def]
    """table uint64 (outputs,): which output; NumPy counts before it computes, so the first block has the counter 1."""
    key, c = np.empty((4, 256), np.uint64), np.empty((4, 256), np.uint64)
    c0, c1, c2, c3 = c[0], c[1], c[2], c[3]
    k0, k1 = key[0], key[1]
    for base in range(0, seeds.shape[0], 256):
        _seeded(seeds[base : base + 256], key)
        block = np.uint64(0)
        for j in range(table.shape[0]):
            wanted = table[j] // np.uint64(4) + np.uint64(1)
            if wanted != block:
                block = wanted
                for l in range(256):
                    c0[l], c1[l], c2[l], c3[l] = block, np.uint64(0), np.uint64(0), np.uint64(0)
                for r in range(10):
                    w0, w1 = np.uint64(r) * np.uint64(0x9E3779B97F4A7C15), np.uint64(r) * np.uint64(0xBB67AE8584CAA73B)
                    for l in range(256):
                        h0, l0 = _wide(c0[l], np.uint64(0xD2E7470EE14C6C93))
                        h1, l1 = _wide(c2[l], np.uint64(0xCA5A826395121157))
                        c0[l], c1[l] = h1 ^ c1[l] ^ (k0[l] + w0), l1
                        c2[l], c3[l] = h0 ^ c3[l] ^ (k1[l] + w1), l0
            emit(c[np.int64(table[j] % np.uint64(4))], begin[j], begin[j + 1], row, shift, base, bits)


@kernel
def sfc64(seeds, table, begin, row, shift, bits):  # type: ignore[no-untyped-def]
    """table uint64 (outputs,), ascending: which output; 12 outputs are dropped after seeding."""
    s = np.empty((4, 256), np.uint64)
    y = np.empty(256, np.uint64)
    s0, s1, s2 = s[0], s[1], s[2]
    for base in range(0, seeds.shape[0], 256):
        _seeded(seeds[base : base + 256], s)
        done = 1
        for j in range(table.shape[0]):
            while done < np.int64(table[j]) + 13:
                counter = np.uint64(done)
                for l in range(256):
                    a, b, c = s0[l], s1[l], s2[l]
                    s0[l] = b ^ (b >> np.uint64(11))
                    s1[l] = c + (c << np.uint64(3))
                    s2[l] = ((c << np.uint64(24)) | (c >> np.uint64(40))) + (a + b + counter)
                done += 1
            counter = np.uint64(done)
            for l in range(256):
                y[l] = s0[l] + s1[l] + counter
            emit(y, begin[j], begin[j + 1], row, shift, base, bits)
