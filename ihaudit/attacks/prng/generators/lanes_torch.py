"""What `lanes` computes, and the Mersenne Twister's recurrences, in torch operations: the scans on an accelerator.

The same arithmetic over a batch of seeds: 32-bit words in int32, 64-bit ones in int64 (torch has no unsigned
arithmetic; two's complement gives the same bits, right shifts are masked), products of more bits by limbs of 32.  Tests
compare it with the CPU kernels seed by seed on CPU tensors; it has not been run on a GPU by the authors, so no rate is
stated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.prng.generators import lanes, mt

_LOW = 0xFFFFFFFF
Wide = tuple[torch.Tensor, torch.Tensor]


def signed(v: int) -> int:
    """The int32 of the same bits as a uint32."""
    v &= 0xFFFFFFFF
    return v - (1 << 32) if v >> 31 else v


def shift(x: torch.Tensor, n: int) -> torch.Tensor:
    """Logical right shift of int32."""
    return (x >> n) & ((1 << (32 - n)) - 1)


def to_device(seeds: lanes.U32, device: str) -> torch.Tensor:
    """uint32 seeds as int32 of the same bits on a device."""
    return torch.from_numpy(seeds.view(np.int32)).to(device)


def seeded_word(previous: torch.Tensor, i: int, mult: int = 1812433253) -> torch.Tensor:
    """`mt.seeded_word`."""
    return (previous ^ shift(previous, 30)) * signed(mult) + i


def twisted(first: torch.Tensor, second: torch.Tensor, middle: torch.Tensor) -> torch.Tensor:
    """`mt.twisted`."""
    h = (first & signed(0x80000000)) | (second & 0x7FFFFFFF)
    return middle ^ shift(h, 1) ^ (-(h & 1) & signed(0x9908B0DF))


def tempered(y: torch.Tensor) -> torch.Tensor:
    """`mt.tempered`."""
    y = y ^ shift(y, 11)
    y = y ^ ((y << 7) & signed(0x9D2C5680))
    y = y ^ ((y << 15) & signed(0xEFC60000))
    return y ^ shift(y, 18)


def _signed64(v: int) -> int:
    v &= 2**64 - 1
    return v - (1 << 64) if v >> 63 else v


def _right(x: torch.Tensor, n: int) -> torch.Tensor:
    """Logical right shift of int64."""
    return (x >> n) & ((1 << (64 - n)) - 1)


def _carry(total: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """int64 1 where the sum `total` of `part` and something passed 2^64."""
    flip = _signed64(1 << 63)
    return ((total ^ flip) < (part ^ flip)).to(torch.int64)


def _wide(a: torch.Tensor, b: int) -> Wide:
    """(high, low) words of the 128-bit product of int64 words and a constant."""
    al, ah, bl, bh = a & _LOW, _right(a, 32), b & _LOW, b >> 32
    ll, lh, hl, hh = al * bl, al * bh, ah * bl, ah * bh
    mid = _right(ll, 32) + (lh & _LOW) + (hl & _LOW)
    return hh + _right(lh, 32) + _right(hl, 32) + _right(mid, 32), (ll & _LOW) | (mid << 32)


class _Hash:
    """SeedSequence's hash with its running constant."""

    def __init__(self, const: int, mult: int) -> None:
        self.const, self.mult = const, mult

    def __call__(self, v: torch.Tensor) -> torch.Tensor:
        v = v ^ signed(self.const)
        self.const = self.const * self.mult & _LOW
        v = v * signed(self.const)
        return v ^ shift(v, 16)


def _state(seeds: torch.Tensor) -> list[torch.Tensor]:
    """``SeedSequence(s).generate_state(4, uint64)`` of int32 seeds: four int64 tensors."""
    mixer = _Hash(0x43B0D7E5, 0x931E8875)
    zero = torch.zeros_like(seeds)
    pool = [mixer(v) for v in (seeds, zero, zero, zero)]
    for source in range(4):
        for into in range(4):
            if source != into:
                r = pool[into] * signed(0xCA01F9DD) - mixer(pool[source]) * signed(0x4973F715)
                pool[into] = r ^ shift(r, 16)
    output = _Hash(0x8B51F9DD, 0x58F38DED)
    words = [output(pool[i % 4]).to(torch.int64) & _LOW for i in range(8)]
    return [words[2 * i] | (words[2 * i + 1] << 32) for i in range(4)]


# Each of these gives the outputs asked for (ascending) of a generator under int32 seeds.
def _pcg64(seeds: torch.Tensor, outputs: list[int]) -> list[torch.Tensor]:
    v0, v1, v2, v3 = _state(seeds)
    inc_hi, inc_lo = (v2 << 1) | _right(v3, 63), (v3 << 1) | 1
    lo = v1 + inc_lo
    hi = v0 + inc_hi + _carry(lo, inc_lo)
    found = []
    for n in outputs:
        a, c = lanes.pcg_jump(n + 2)
        h, l = _wide(lo, a & (2**64 - 1))
        g, q = _wide(inc_lo, c & (2**64 - 1))
        l = l + q
        h = h + g + _carry(l, q) + hi * _signed64(a) + lo * _signed64(a >> 64)
        h = h + inc_hi * _signed64(c) + inc_lo * _signed64(c >> 64)
        x, r = h ^ l, _right(h, 58)
        # a shift by 64 is undefined: two steps where r = 0; the right shift is masked by the ones it may keep
        right = torch.where(r == 0, x, (x >> r) & ((torch.ones_like(x) << (64 - r.clamp(min=1))) - 1))
        found.append(right | ((x << (63 - r)) << 1))
    return found


def _philox4x32(seeds: torch.Tensor, outputs: list[int]) -> list[torch.Tensor]:
    found = []
    for n in outputs:
        zero = torch.zeros_like(seeds, dtype=torch.int64)
        c0, c1, c2, c3 = zero, zero, zero + n, zero
        k0, k1 = seeds.to(torch.int64) & _LOW, 0
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
            c0, c1, c2, c3 = _right(p1, 32) ^ c1 ^ k0, p1 & _LOW, _right(p0, 32) ^ c3 ^ k1, p0 & _LOW
            k0, k1 = (k0 + 0x9E3779B9) & _LOW, (k1 + 0xBB67AE85) & _LOW
        found.append(c0)
    return found


def _philox4x64(seeds: torch.Tensor, outputs: list[int]) -> list[torch.Tensor]:
    k0, k1, _, _ = _state(seeds)
    blocks: dict[int, list[torch.Tensor]] = {}
    for block in {n // 4 for n in outputs}:
        zero = torch.zeros_like(k0)
        c = [zero + (block + 1), zero, zero, zero]
        for r in range(10):
            h0, l0 = _wide(c[0], 0xD2E7470EE14C6C93)
            h1, l1 = _wide(c[2], 0xCA5A826395121157)
            w0, w1 = _signed64(r * 0x9E3779B97F4A7C15), _signed64(r * 0xBB67AE8584CAA73B)
            c = [h1 ^ c[1] ^ (k0 + w0), l1, h0 ^ c[3] ^ (k1 + w1), l0]
        blocks[block] = c
    return [blocks[n // 4][n % 4] for n in outputs]


def _sfc64(seeds: torch.Tensor, outputs: list[int]) -> list[torch.Tensor]:
    a, b, c, _ = _state(seeds)
    found = []
    for step in range(max(outputs, default=0) + 13):  # the first 12 outputs are dropped
        t = a + b + (step + 1)
        a, b, c = b ^ _right(b, 11), c + (c << 3), ((c << 24) | _right(c, 40)) + t
        if step - 12 in outputs:
            found.append(t)
    return found


def _words(seeds: torch.Tensor, count: int) -> list[torch.Tensor]:
    """The first `count` <= 623 outputs of a Mersenne Twister after init_by_array of int32 one-word keys."""
    genrand = [signed(int(v)) for v in mt.init_genrand(mt.ARRAY_START)]
    state = [torch.full_like(seeds, genrand[0])]
    for g in genrand[1:]:
        state.append((seeded_word(state[-1], 0, mt.FIRST) ^ g) + seeds)
    state[1] = (seeded_word(state[623], 0, mt.FIRST) ^ state[1]) + seeds
    p = state[1]
    for i in [*range(2, 624), 1]:
        p = state[i] = (seeded_word(p, 0, mt.SECOND) ^ state[i]) - i
    state[0] = torch.full_like(seeds, signed(0x80000000))
    for t in range(count):
        state.append(twisted(state[t], state[t + 1], state[t + 397]))
    return state[624:]


def _init_by_array(seeds: torch.Tensor, outputs: list[int]) -> list[torch.Tensor]:
    words = _words(seeds, max(outputs, default=0) + 1)
    return [tempered(words[n]) for n in outputs]


def _randbelow(seeds: torch.Tensor, outputs: list[int]) -> list[torch.Tensor]:
    count = torch.zeros_like(seeds)
    found = {n: torch.zeros_like(seeds) for n in outputs}
    for word in _words(seeds, 2 * max(outputs, default=0) + 80):
        y = tempered(word)
        fits = 1 - shift(y, 31)
        for n, part in found.items():
            part |= torch.where(count == n, fits & shift(y, 30), 0)
        count += fits
    return [found[n] for n in outputs]


_MODELS = {
    "pcg64": _pcg64,
    "philox4x32": _philox4x32,
    "philox4x64": _philox4x64,
    "sfc64": _sfc64,
    "init_by_array": _init_by_array,
    "randbelow": _randbelow,
}


def reader(
    model: str, output: NDArray[np.int64], places: NDArray[np.int64], device: str
) -> Callable[[lanes.U32], torch.Tensor]:
    """What `lanes.reader` gives, on a device: a function of uint32 seeds (n,) that gives uint8 (bits, n) there."""
    distinct, which = np.unique(output, return_inverse=True)

    def read(seeds: lanes.U32) -> torch.Tensor:
        values = _MODELS[model](to_device(seeds, device), distinct.tolist())
        bits = torch.empty((len(output), len(seeds)), dtype=torch.uint8, device=device)
        for row, (j, place) in enumerate(zip(which.tolist(), places.tolist())):
            bits[row] = (values[j] >> place) & 1
        return bits

    return read
