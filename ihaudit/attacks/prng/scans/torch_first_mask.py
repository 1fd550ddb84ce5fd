"""The filters of `seedscan` in torch operations, for an accelerator.

The same arithmetic as `lanes` over a batch of seeds: 32-bit words in int32, 64-bit ones in int64 (torch has no unsigned
arithmetic; two's complement gives the same bits), products of more bits by limbs of 32.  Tests compare it with the CPU
kernels seed by seed on CPU tensors; it has not been run on a GPU by the authors, so no rate is stated.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.prng.generators import lanes
from ihaudit.attacks.prng.generators.kinds import KINDS
from ihaudit.attacks.prng.generators.mt import init_genrand
from ihaudit.attacks.prng.scans import first_mask as seedscan
from ihaudit.attacks.prng.scans.torch_filters import seed_batch, shift, signed, temper
from ihaudit.contracts.context import Progress

BATCH = 1 << 20
_SMALL_BATCH = 1 << 18  # a Mersenne Twister keeps 624 words per seed, 650 MB
_LOW = 0xFFFFFFFF
Wide = tuple[torch.Tensor, torch.Tensor]


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
    genrand = [signed(int(v)) for v in init_genrand(19650218)]
    mt = [torch.full_like(seeds, v) for v in genrand[:1]]
    for v in genrand[1:]:
        p = mt[-1]
        mt.append((((p ^ shift(p, 30)) * signed(1664525)) ^ v) + seeds)
    p = mt[623]
    mt[1] = (((p ^ shift(p, 30)) * signed(1664525)) ^ mt[1]) + seeds
    p = mt[1]
    for i in [*range(2, 624), 1]:
        p = (((p ^ shift(p, 30)) * signed(1566083941)) ^ mt[i]) - i
        mt[i] = p
    mt[0] = torch.full_like(seeds, signed(0x80000000))
    for t in range(count):
        h = (mt[t] & signed(0x80000000)) | (mt[t + 1] & 0x7FFFFFFF)
        mt.append(mt[t + 397] ^ shift(h, 1) ^ (-(h & 1) & signed(0x9908B0DF)))
    return mt[624:]


def _init_by_array(seeds: torch.Tensor, outputs: list[int]) -> list[torch.Tensor]:
    words = _words(seeds, max(outputs, default=0) + 1)
    return [temper(words[n]) for n in outputs]


def _randbelow(seeds: torch.Tensor, outputs: list[int]) -> list[torch.Tensor]:
    count = torch.zeros_like(seeds)
    found = {n: torch.zeros_like(seeds) for n in outputs}
    for word in _words(seeds, 2 * max(outputs, default=0) + 80):
        y = temper(word)
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


def read(seeds: torch.Tensor, model: str, output: NDArray[np.int64], places: NDArray[np.int64]) -> torch.Tensor:
    """What `lanes.reader` gives, for int32 seeds (n,): uint8 (bits, n) on their device."""
    distinct, which = np.unique(output, return_inverse=True)
    values = _MODELS[model](seeds, distinct.tolist())
    bits = torch.empty((len(output), len(seeds)), dtype=torch.uint8, device=seeds.device)
    for row, (j, place) in enumerate(zip(which.tolist(), places.tolist())):
        bits[row] = (values[j] >> place) & 1
    return bits


def passed(seeds: torch.Tensor, stage: seedscan.Stage) -> torch.Tensor:
    """bool (targets, n): which int32 seeds pass a stage for which target."""
    bits = read(seeds, stage.model, stage.output, stage.shift)
    u, v = (torch.from_numpy(i).to(seeds.device) for i in (stage.u, stage.v))
    wrong = bits[u] ^ bits[v] ^ torch.from_numpy(stage.differ).to(seeds.device)[:, None]
    ends = list(zip(stage.begin[:-1], stage.begin[1:], stage.allowed))
    return torch.stack([wrong[a:b].sum(0) <= int(most) for a, b, most in ends])


def scan(
    targets: list[seedscan.PairTarget],
    *,
    first: int = 0,
    last: int = 2**32,
    device: str = "cuda",
    progress: Progress | None = None,
) -> list[tuple[int, int]]:
    """`seedscan.scan` with the filter on `device`; survivors are replayed by the generator itself as there."""
    hits: list[tuple[int, int]] = []
    for model, members in seedscan.by_model(targets).items():
        group = [targets[n] for n in members]
        each, *more = seedscan.stages(model)
        every = seedscan.stage(group, *each)
        later = [[seedscan.stage([t], *s) for s in more] for t in group]
        batch = _SMALL_BATCH if model in ("init_by_array", "randbelow") else BATCH
        for start in range(first, last, batch):
            seeds = seed_batch(start, min(batch, last - start), device)
            keep = passed(seeds, every)
            for n, t in enumerate(group):
                left = seeds[keep[n]]
                for s in later[n]:
                    left = left[passed(left, s)[0]]
                found = left.cpu().numpy().view(np.uint32)
                hits += [(int(s), members[n]) for s in found if seedscan.explains(int(s), t)]
            if progress:
                progress(f"scanning seeds of {KINDS[group[0].kind].generator}", (start - first) / (last - first))
    return sorted(hits)
