"""Chosen bits of a generator's outputs under many seeds side by side: the arithmetic of the scans over seeds.

The kernels of `lanes64`, Philox4x32 as torch has it on CUDA (Salmon et al. 2011, Random123), and the Mersenne
Twister seeded by init_by_array (Matsumoto & Nishimura 2002: random.seed(s), numpy.random.seed([s])), behind one call.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel
from ihaudit.attacks.prng.generators import lanes64
from ihaudit.attacks.prng.generators.mt import ARRAY_START, FIRST, SECOND, init_genrand, seeded_word, tempered, twisted

LANES = 256
#: How many outputs of each generator can be had; None: any.  The others step from the seed, or end with one twist.
REACH: dict[str, int | None] = {
    "pcg64": None,
    "philox4x32": None,
    "philox4x64": None,
    "sfc64": 256,
    "init_by_array": 623,
    "randbelow": 96,
}
U32 = NDArray[np.uint32]
_KERNELS = {
    "pcg64": lanes64.pcg64,
    "philox4x32": lanes64.philox4x32_lanes,
    "philox4x64": lanes64.philox4x64,
    "sfc64": lanes64.sfc64,
}
Reader = Callable[[U32], NDArray[np.uint8]]


@kernel
def _seed_by_array(key, genrand, mt):  # type: ignore[no-untyped-def]
    """init_by_array of 128 one-word keys: mt uint32 (624, 128); genrand uint32 (624,), init_genrand(ARRAY_START)."""
    x = np.empty(128, np.uint32)
    for l in range(128):
        x[l] = genrand[0]
    for i in range(1, 624):
        g, word = genrand[i], mt[i]
        for l in range(128):
            p = np.uint32(np.uint32(g ^ seeded_word(x[l], 0, FIRST)) + key[l])
            x[l] = p
            word[l] = p
    word = mt[1]
    for l in range(128):
        p = np.uint32(np.uint32(word[l] ^ seeded_word(x[l], 0, FIRST)) + key[l])
        x[l] = p
        word[l] = p
    for t in range(2, 625):
        i = t if t < 624 else 1
        minus, word = np.uint32(i), mt[i]
        for l in range(128):
            p = np.uint32(np.uint32(word[l] ^ seeded_word(x[l], 0, SECOND)) - minus)
            x[l] = p
            word[l] = p
    word = mt[0]
    for l in range(128):
        word[l] = np.uint32(0x80000000)


@kernel
def _twisted(mt, t, y):  # type: ignore[no-untyped-def]
    """Output t < 623 of 128 states: uint32 into `y`."""
    y[:] = 0
    # word 624 + t is word 397 + t, which an earlier step may have made, and a function of words t and t + 1
    while True:
        a, b = mt[t], mt[t + 1]
        for l in range(128):
            y[l] = twisted(a[l], b[l], y[l])
        if t < 227:
            break
        t -= 227
    a = mt[t + 397]
    for l in range(128):
        y[l] = tempered(np.uint32(y[l] ^ a[l]))


@kernel
def _init_by_array(seeds, table, begin, row, shift, bits, genrand):  # type: ignore[no-untyped-def]
    """table int64 (outputs,) below 623; 128 seeds at a time: their states, 320 KiB, fit the second-level cache."""
    mt = np.empty((624, 128), np.uint32)
    y = np.empty(128, np.uint32)
    for base in range(0, seeds.shape[0], 128):
        _seed_by_array(seeds[base : base + 128], genrand, mt)
        for j in range(table.shape[0]):
            _twisted(mt, table[j], y)
            lanes64.emit(y, begin[j], begin[j + 1], row, shift, base, bits)


@kernel
def _randbelow(seeds, table, row, bits, genrand):  # type: ignore[no-untyped-def]
    """table int64 (bits,) below 96: which accepted draw of ``random._randbelow(2)`` fills the row of `bits`.

    The two top bits of each output are drawn again while the first is 1; 270 outputs hold 96 accepted ones but for one
    seed in 10^6.
    """
    mt = np.empty((624, 128), np.uint32)
    y, count = np.empty(128, np.uint32), np.empty(128, np.uint32)
    place, group = np.empty(128, np.uint32), np.empty(128, np.uint32)
    kept, places = np.empty((3, 128), np.uint32), np.empty(table.shape[0], np.uint32)
    one, low5, s5, s30, s31 = np.uint32(1), np.uint32(31), np.uint32(5), np.uint32(30), np.uint32(31)
    outputs = 2 * table.max() + 80
    for base in range(0, seeds.shape[0], 128):
        _seed_by_array(seeds[base : base + 128], genrand, mt)
        kept[:] = 0
        count[:] = 0
        for t in range(outputs):
            _twisted(mt, t, y)
            for l in range(128):
                c = count[l]
                fits = np.uint32(np.uint32(y[l] >> s31) ^ one)
                # a draw that is not accepted adds nothing, wherever
                place[l] = np.uint32(np.uint32(fits & np.uint32(y[l] >> s30)) << np.uint32(c & low5))
                group[l] = np.uint32(c >> s5)
                count[l] = np.uint32(c + fits)
            # half of the outputs before were accepted, give or take six standard deviations
            spread = int(3 * np.sqrt(t))
            for q in range(max(0, t // 2 - spread) // 32, min(2, (t // 2 + spread) // 32) + 1):
                part, this = kept[q], np.uint32(q)
                for l in range(128):
                    part[l] = np.uint32(part[l] | (place[l] if group[l] == this else np.uint32(0)))
        for p in range(table.shape[0]):
            places[p] = np.uint32(table[p] & 31)
            lanes64.emit(kept[table[p] >> 5], p, p + 1, row, places, base, bits)


def pcg_jump(n: int) -> tuple[int, int]:
    """(a, c) modulo 2^128: n steps of PCG64 turn the state s under the increment i into a s + c i."""
    a, c, mult, plus = 1, 0, lanes64.PCG_MULTIPLIER, 1
    while n:
        if n & 1:
            a, c = a * mult % 2**128, (c * mult + plus) % 2**128
        mult, plus, n = mult * mult % 2**128, plus * (mult + 1) % 2**128, n >> 1
    return a, c


def pcg_table(outputs: NDArray[np.int64]) -> NDArray[np.uint64]:
    """uint64 (outputs, 4): (a, c) by high and low words; two steps more, one of seeding and one before each output."""
    low = 2**64 - 1
    jumps = [pcg_jump(int(n) + 2) for n in outputs]
    return np.array([[a >> 64, a & low, c >> 64, c & low] for a, c in jumps], np.uint64).reshape(-1, 4)


def reader(model: str, output: NDArray[np.int64], shift: NDArray[np.int64]) -> Reader:
    """A function of uint32 seeds (n,) that gives the bits asked for: uint8 (bits, n).

    Args:
        model: a generator of `REACH`.
        output: int64 (bits,), which output of the generator each bit is taken from (0 is the first after seeding).
        shift: int64 (bits,), its place in the output.
    """
    reach = REACH[model]
    if reach is not None and output.max(initial=0) >= reach:
        raise ValueError(f"output {output.max()} of {model} is out of reach, {reach} is the first that is")
    row = np.argsort(output, kind="stable").astype(np.int64)
    outputs, count = np.unique(output, return_counts=True)
    begin = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    places = shift[row].astype(np.uint64)
    table = pcg_table(outputs) if model == "pcg64" else outputs.astype(np.uint64)
    genrand = init_genrand(ARRAY_START)

    def read(seeds: U32) -> NDArray[np.uint8]:
        padded = np.zeros(-(-len(seeds) // LANES) * LANES, np.uint32)
        padded[: len(seeds)] = seeds
        bits = np.empty((len(output), len(padded)), np.uint8)
        if model in _KERNELS:
            _KERNELS[model](padded, table, begin, row, places, bits)
        elif model == "init_by_array":
            _init_by_array(padded, outputs, begin, row, places.astype(np.uint32), bits, genrand)
        else:
            _randbelow(padded, output[row], row, bits, genrand)
        return np.ascontiguousarray(bits[:, : len(seeds)])

    return read
