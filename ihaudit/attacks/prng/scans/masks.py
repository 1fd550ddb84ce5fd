"""All 2^32 seeds of a Mersenne Twister from mask bits at a known place of its stream, without stepping it there.

Every output bit is linear over GF(2) in the 624 words that ``init_genrand`` makes.  The functional of an output however
far away is ``x^offset`` in the generator's field (`mt_linear`), pulled back to those words by the transposed
recurrence: a few milliseconds once, and then each seed costs its 624 words and eight parities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel
from ihaudit.attacks.prng.generators import lanes_torch, mt
from ihaudit.attacks.prng.generators.conventions import Convention, Layout
from ihaudit.attacks.prng.generators.mt import seeded_word
from ihaudit.attacks.prng.generators.mt_linear import functionals
from ihaudit.attacks.prng.gf2.bits import parity
from ihaudit.attacks.prng.pairs import rank_pairs
from ihaudit.attacks.prng.scans.ranges import search_range
from ihaudit.contracts.context import Progress
from ihaudit.release import FloatArray

Hit = tuple[int, int]
FILTER = 8  # parities per seed in the first pass: one seed in 256 survives
CONFIRM = 96  # further parities for the survivors; at most 8 % may disagree
CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class MaskTarget:
    """Parities that the right seed gives.

    Attributes:
        convention, layout, offset: the hypothesis.
        masks: uint32 (FILTER + CONFIRM, 624).
        parity: uint8 (FILTER + CONFIRM,).
    """

    convention: Convention
    layout: Layout
    offset: int
    masks: NDArray[np.uint32]
    parity: NDArray[np.uint8]

    def describe(self) -> str:
        """For the list of what was scanned."""
        return f"{self.convention.text}; {self.layout.id}; first mask after {self.offset:,} words"


def target_from_masks(x: FloatArray, convention: Convention, layout: Layout, offset: int) -> MaskTarget:
    """The best pairs of the first encodings (at most 64) as parities.

    Pairs are taken from the best tenth of a percent, spread at random so that they are independent.
    """
    shape: tuple[int, int, int] = x.shape[1:]
    block = x[:64]
    channels = 1 if layout.id == "NHW" else None
    pairs = rank_pairs(block, max(400, block.size // 200), channels=channels)
    chosen = np.sort(np.random.default_rng(0).permutation(len(pairs))[: FILTER + CONFIRM])
    # the earliest ones filter: near the seed, functionals are sparse, and words they do not touch cost nothing
    early = np.argsort(pairs.encoding, kind="stable")[:FILTER]
    pairs = pairs.take(np.concatenate([early, chosen[~np.isin(chosen, early)][:CONFIRM]]))
    index = layout.index(shape).reshape(-1)
    size = layout.size(shape)
    u = pairs.encoding * size + index[pairs.first]
    v = pairs.encoding * size + index[pairs.second]
    masks = functionals(convention, offset, u) ^ functionals(convention, offset, v)
    return MaskTarget(convention, layout, offset, masks, pairs.differ)


@kernel
def _filter(first, count, masks, wanted, out, owner):  # type: ignore[no-untyped-def]
    """Seeds first..first+count-1 whose eight parities agree for some group; masks (groups, 624, 8)."""
    groups = masks.shape[0]
    x = np.empty(256, np.uint32)
    acc = np.empty((groups * 8, 256), np.uint32)
    bits = np.empty(256, np.uint32)
    found = 0
    for base in range(0, count, 256):
        start = np.uint32(first + base)
        for l in range(256):
            x[l] = np.uint32(start + np.uint32(l))
        acc[:] = 0
        for i in range(624):
            if i:
                for l in range(256):
                    x[l] = seeded_word(x[l], i)
            for g in range(groups):
                # one plain loop per accumulator: each is a run of vector instructions on data in the first-level cache
                for b in range(8):
                    v = masks[g, i, b]
                    if v == 0:
                        continue
                    row = acc[g * 8 + b]
                    for l in range(256):
                        row[l] = np.uint32(row[l] ^ np.uint32(x[l] & v))
        for g in range(groups):
            bits[:] = 0
            for b in range(8):
                shift = np.uint32(b)
                for l in range(256):
                    p = acc[g * 8 + b, l]
                    p = np.uint32(p ^ np.uint32(p >> np.uint32(16)))
                    p = np.uint32(p ^ np.uint32(p >> np.uint32(8)))
                    p = np.uint32(p ^ np.uint32(p >> np.uint32(4)))
                    p = np.uint32(p ^ np.uint32(p >> np.uint32(2)))
                    p = np.uint32(p ^ np.uint32(p >> np.uint32(1)))
                    bits[l] |= np.uint32(np.uint32(p & np.uint32(1)) << shift)
            want = wanted[g]
            for l in range(256):
                if bits[l] == want and base + l < count:
                    if found < out.shape[0]:
                        out[found] = np.uint32(start + np.uint32(l))
                        owner[found] = g
                    found += 1
    return found


Passed = tuple[NDArray[np.uint32], NDArray[np.int64]]


def passing(first: int, last: int, targets: Sequence[MaskTarget]) -> Passed:
    """(seed, index of the target) of every seed in [first, last) that gives the first `FILTER` parities of a target."""
    masks, wanted = _stack(targets)
    size = (last - first) // 64 * len(targets) + 1024  # four times as many as chance lets through
    out, owner = np.empty(size, np.uint32), np.empty(size, np.int64)
    n = min(size, int(_filter(first, last - first, masks, wanted, out, owner)))
    return out[:n], owner[:n]


def passing_torch(first: int, last: int, targets: Sequence[MaskTarget], device: str) -> Passed:
    """`passing`, on a device."""
    masks, wanted = _stack(targets)
    seeds = np.arange(first, last).astype(np.uint32)
    x = lanes_torch.to_device(seeds, device)
    acc = [[torch.zeros_like(x) for _ in range(FILTER)] for _ in targets]
    for i in range(mt.N):
        if i:
            x = lanes_torch.seeded_word(x, i)
        for parts, row in zip(acc, masks[:, i].view(np.int32).tolist()):
            for b in range(FILTER):
                if row[b]:
                    parts[b] ^= x & row[b]
    ok = torch.ones(len(targets), len(x), dtype=torch.bool, device=device)
    for g, parts in enumerate(acc):
        for b, a in enumerate(parts):
            for s in (16, 8, 4, 2, 1):
                a = a ^ lanes_torch.shift(a, s)
            ok[g] &= (a & 1) == ((int(wanted[g]) >> b) & 1)
    owner, index = torch.nonzero(ok).cpu().numpy().T
    return seeds[index], owner


@kernel
def _confirm(seeds, owner, masks, parities, allowed, keep):  # type: ignore[no-untyped-def]
    """keep[i] = 1 where at most `allowed` of the owner's further parities (masks (groups, m, 624)) disagree."""
    words = np.empty(624, np.uint32)
    for s in range(seeds.shape[0]):
        words[0] = seeds[s]
        for i in range(1, 624):
            words[i] = seeded_word(words[i - 1], i)
        wrong = 0
        g = owner[s]
        for k in range(masks.shape[1]):
            acc = np.uint32(0)
            for i in range(624):
                acc ^= words[i] & masks[g, k, i]
            wrong += int(np.uint8(parity(acc)) != parities[g, k])
            if wrong > allowed:
                break
        keep[s] = wrong <= allowed


def _stack(targets: Sequence[MaskTarget]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The first-pass parities of all targets: masks uint32 (groups, 624, 8) and the wanted bits uint32 (groups,)."""
    masks = np.ascontiguousarray(np.stack([t.masks[:FILTER].T for t in targets]))
    wanted = np.array([sum(int(b) << i for i, b in enumerate(t.parity[:FILTER])) for t in targets], np.uint32)
    return masks, wanted


def confirmed(seeds: NDArray[np.uint32], owner: NDArray[np.int64], targets: Sequence[MaskTarget]) -> list[Hit]:
    """Those (seed, target) pairs of which at most 8 % of the further parities disagree."""
    more = np.stack([t.masks[FILTER:] for t in targets])
    parities = np.stack([t.parity[FILTER:] for t in targets]).astype(np.uint8)
    keep = np.zeros(len(seeds), np.uint8)
    _confirm(seeds, owner, more, parities, int(0.08 * more.shape[1]), keep)
    return [(int(seeds[i]), int(owner[i])) for i in np.flatnonzero(keep)]


def scan(
    targets: Sequence[MaskTarget],
    *,
    first: int = 0,
    last: int = 2**32,
    device: str = "cpu",
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[Hit]:
    """(seed, index of the target) of every seed in [first, last) that gives a target's parities.

    By chance one of 2^32 seeds passes with probability below 2^-40 (8 parities exactly, 88 of 96 more).
    """
    on_cpu = device == "cpu"

    def search(start: int, stop: int) -> list[Hit]:
        passed = passing(start, stop, targets) if on_cpu else passing_torch(start, stop, targets, device)
        return confirmed(*passed, targets)

    task = "scanning seeds by masks"
    return search_range(search, first, last, CHUNK, threads=threads if on_cpu else 1, progress=progress, task=task)
