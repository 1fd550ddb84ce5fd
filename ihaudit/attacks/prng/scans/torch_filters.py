"""The two filters of the 2^32 scans in torch operations, for an accelerator.

The same arithmetic as `labelscan._filter` and `maskscan._filter`, over a batch of seeds in int32 (torch has
no unsigned 32-bit arithmetic; two's complement gives the same bits, right shifts are masked).  Tests compare them with
the CPU kernels seed by seed on CPU tensors; they have not been run on a GPU by the authors, so no rate is stated.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.prng.scans import labels as labelscan
from ihaudit.attacks.prng.scans import masks as maskscan
from ihaudit.contracts.context import Progress

BATCH = 1 << 20


def signed(v: int) -> int:
    """The int32 of the same bits as a uint32."""
    v &= 0xFFFFFFFF
    return v - (1 << 32) if v >> 31 else v


def shift(x: torch.Tensor, n: int) -> torch.Tensor:
    """Logical right shift of int32."""
    return (x >> n) & ((1 << (32 - n)) - 1)


def _next(x: torch.Tensor, i: int) -> torch.Tensor:
    """One word of init_genrand from the one before."""
    return (x ^ shift(x, 30)) * signed(1812433253) + i


def temper(y: torch.Tensor) -> torch.Tensor:
    """MT19937's output transform of int32 words."""
    y = y ^ shift(y, 11)
    y = y ^ ((y << 7) & signed(0x9D2C5680))
    y = y ^ ((y << 15) & signed(0xEFC60000))
    return y ^ shift(y, 18)


def label_filter(
    seeds: torch.Tensor,
    tries: int,
    wanted: NDArray[np.int32],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    tolerance: NDArray[np.float32],
) -> torch.Tensor:
    """bool (n,): which int32 seeds pass the first-pass test of `labelscan` (same arguments)."""
    x = seeds
    words = [x]
    for i in range(1, 4 * tries):
        x = _next(x, i)
        words.append(x)
    for i in range(4 * tries, 397):
        x = _next(x, i)
    position = 397
    count = torch.zeros_like(seeds)
    ok = torch.zeros_like(seeds, dtype=torch.bool)
    one = float(np.float32(2.0**62))
    for t in range(tries):
        pair = []
        for half in range(2):
            word = 4 * t + 2 * half
            while position <= 397 + word:
                x = _next(x, position)
                position += 1
            h = (words[word] & signed(0x80000000)) | (words[word + 1] & 0x7FFFFFFF)
            y = x ^ shift(h, 1) ^ (-(h & 1) & signed(0x9908B0DF))
            pair.append((temper(y) ^ signed(0x80000000)).to(torch.float32).abs())
        small, large = torch.minimum(*pair), torch.maximum(*pair)
        for j in range(len(wanted)):
            gap = (small * float(high[j]) - large * float(low[j])).abs()
            ok |= (gap <= float(tolerance[j]) * large) & (count == int(wanted[j]))
        r2 = pair[0] * pair[0] + pair[1] * pair[1]
        ok |= (r2 - one).abs() < float(np.float32(2.0**62 * 2e-6))
        count += (r2 < one).to(torch.int32)
    return ok


def mask_filter(seeds: torch.Tensor, masks: NDArray[np.uint32], wanted: NDArray[np.uint32]) -> torch.Tensor:
    """bool (n, groups): which int32 seeds give all eight parities of each group; masks uint32 (groups, 624, 8)."""
    groups = masks.shape[0]
    signed = masks.view(np.int32)
    x = seeds
    acc: list[torch.Tensor | None] = [None] * (8 * groups)
    for i in range(624):
        if i:
            x = _next(x, i)
        for g in range(8 * groups):
            v = int(signed[g // 8, i, g % 8])
            if v:
                part = x & v
                old = acc[g]
                acc[g] = part if old is None else old ^ part
    out = torch.ones(len(seeds), groups, dtype=torch.bool, device=seeds.device)
    for g in range(8 * groups):
        a = acc[g] if acc[g] is not None else torch.zeros_like(seeds)
        assert a is not None
        for s in (16, 8, 4, 2, 1):
            a = a ^ shift(a, s)
        out[:, g // 8] &= (a & 1) == ((int(wanted[g // 8]) >> (g % 8)) & 1)
    return out


def seed_batch(first: int, count: int, device: str) -> torch.Tensor:
    """Seeds first..first+count-1 as int32 on a device."""
    return (torch.arange(first, first + count, device=device) & 0xFFFFFFFF).to(torch.int64).to(torch.int32)


def scan_labels(
    target: labelscan.LabelTarget,
    *,
    first: int = 0,
    last: int = 2**32,
    rows: int = 3,
    skip: int = 0,
    device: str = "cuda",
    progress: Progress | None = None,
) -> list[int]:
    """`labelscan.scan` with the filter on `device`; survivors are replayed by NumPy as there."""
    if not target.usable:
        return []
    wanted, tries, low, high, tolerance = labelscan.prepare(target, rows, skip)
    hits: list[int] = []
    for start in range(first, last, BATCH):
        seeds = seed_batch(start, min(BATCH, last - start), device)
        found = torch.nonzero(label_filter(seeds, tries, wanted, low, high, tolerance))[:, 0].cpu().numpy()
        hits += [start + int(i) for i in found if labelscan.explains(start + int(i), target)]
        if progress:
            progress("scanning numpy seeds by labels", (start - first) / (last - first))
    return hits


def scan_masks(
    targets: list[maskscan.MaskTarget],
    *,
    first: int = 0,
    last: int = 2**32,
    device: str = "cuda",
    progress: Progress | None = None,
) -> list[tuple[int, int]]:
    """`maskscan.scan` with the filter on `device`; survivors are confirmed by the CPU kernel as there."""
    masks, wanted = maskscan.stack(targets)
    hits: list[tuple[int, int]] = []
    for start in range(first, last, BATCH):
        passed = mask_filter(seed_batch(start, min(BATCH, last - start), device), masks, wanted)
        index = torch.nonzero(passed).cpu().numpy()
        hits += maskscan.confirm((start + index[:, 0]).astype(np.uint32), index[:, 1].astype(np.int64), targets)
        if progress:
            progress("scanning seeds by masks", (start - first) / (last - first))
    return sorted(hits)
