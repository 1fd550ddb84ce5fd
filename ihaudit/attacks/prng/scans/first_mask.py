"""Seeds of generators that are not one linear recurrence, and of `random.Random`: by the first mask's own bits.

Pairs of neighbours with nearly equal magnitude in the first encoding say which mask bits differ.  The most reliable of
them filter: a few on every seed, more on the seeds that are left; those few that pass are replayed by the generator
itself and judged on the best 96 pairs.  Every way to draw from one generator is tested in one pass over its seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel
from ihaudit.attacks.prng.generators import lanes, lanes_torch
from ihaudit.attacks.prng.generators.conventions import Layout
from ihaudit.attacks.prng.generators.kinds import KINDS, first_bits
from ihaudit.attacks.prng.pairs import rank_pairs, spanning_forest
from ihaudit.attacks.prng.scans.ranges import search_range
from ihaudit.contracts.context import Progress
from ihaudit.release import FloatArray

CHUNK = 1 << 18
_BLOCK = 1 << 14  # seeds whose bits are held at a time
_TORCH_CHUNK = {"init_by_array": 1 << 18, "randbelow": 1 << 18}  # 624 words per seed, 650 MB; others 2^20
_PAIRS = 96
_CHANCE = -48.0  # log2 of the chance that a wrong seed is confirmed; 2^36 are tried in all
_ELEMENTS = 256  # mask elements, at least, in which pairs are looked for; one 32x32x3 encoding has 3,072
# (pairs, how many of them may disagree): what every seed costs, then what is left of them.  The best pairs of an
# encoding are hardly ever wrong; where only the first outputs can be reached, one of ten is once in some hundred.
_JUMPING = ((3, 0), (8, 0), (16, 1), (32, 4))
_FROM_SEED = ((10, 1), (20, 3), (32, 6))  # seeding dominates, a few pairs more cost little


@dataclass(frozen=True, eq=False)
class PairTarget:
    """What the first encodings say about the first mask bits, were they drawn as a kind draws them.

    Attributes:
        kind: a key of `KINDS`.
        layout: the order in which the mask is filled.
        early: int64 (2, n): element indices of the best pairs that the scan reaches, best first.
        early_differ: uint8 (n,): whether their bits differ.
        best, best_differ: the same for the best pairs anywhere, no cycle among them (each is news).
    """

    kind: int
    layout: Layout
    early: NDArray[np.int64]
    early_differ: NDArray[np.uint8]
    best: NDArray[np.int64]
    best_differ: NDArray[np.uint8]

    @property
    def allowed(self) -> int:
        """Disagreements allowed among the best pairs; -1 where there are too few pairs to tell seeds apart."""
        n = self.best.shape[1]
        chance, most = 0, -1
        while most + 1 <= 0.12 * n:
            chance += math.comb(n, most + 1)
            if math.log2(chance) - n > _CHANCE:
                break
            most += 1
        return most

    @property
    def usable(self) -> bool:
        """Whether a scan can work."""
        return self.allowed >= 0 and len(self.early_differ) >= _FROM_SEED[1][0]

    def describe(self) -> str:
        """For the list of what was scanned."""
        return f"{KINDS[self.kind].call}; {self.layout.id}; first mask at offset 0"


def pair_target(x: FloatArray, kind: int, layout: Layout) -> PairTarget:
    """The best pairs of the first encoding, or of the first few where encodings are small.

    Args:
        x: float (E, H, W, C) signed encodings, in the order in which their masks were drawn.
        kind: a key of `KINDS`.
        layout: the order in which each mask is filled.
    """
    shape: tuple[int, int, int] = x.shape[1:]
    size, index = layout.size(shape), layout.index(shape).reshape(-1)
    block = x[: -(-_ELEMENTS // size)]
    pairs = rank_pairs(block, block.size * 2, skip_border=False, channels=1 if layout.id == "NHW" else None)
    ends = pairs.encoding * size + np.stack([index[pairs.first], index[pairs.second]])
    best = spanning_forest(ends[0], ends[1], _PAIRS)
    reach = KINDS[kind].within(lanes.REACH[KINDS[kind].model])
    near = np.arange(ends.shape[1]) if reach is None else np.flatnonzero(ends.max(0) < reach)
    early = near[spanning_forest(ends[0][near], ends[1][near], _FROM_SEED[-1][0])]
    return PairTarget(kind, layout, ends[:, early], pairs.differ[early], ends[:, best], pairs.differ[best])


@dataclass(frozen=True, eq=False)
class Stage:
    """Bits of a generator's outputs, and the pairs of them that are compared for each of several targets.

    Attributes:
        model: a generator of `lanes.REACH`.
        output, shift: int64 (bits,), where each bit is taken from.
        u, v: int64 (pairs,), which bits make each pair; differ: uint8 (pairs,), whether they should differ.
        begin: int64 (targets + 1,), each target's pairs; allowed: int64 (targets,), how many may disagree.
    """

    model: str
    output: NDArray[np.int64]
    shift: NDArray[np.int64]
    u: NDArray[np.int64]
    v: NDArray[np.int64]
    differ: NDArray[np.uint8]
    begin: NDArray[np.int64]
    allowed: NDArray[np.int64]


def stage(targets: list[PairTarget], size: int, allowed: int) -> Stage:
    """The `size` best pairs of each target, all of one generator."""
    places = []
    for t in targets:
        output, shift = KINDS[t.kind].places(t.early[:, :size])
        places.append(output * 64 + shift)
    bits, row = np.unique(np.concatenate(places, axis=1), return_inverse=True)
    u, v = row.reshape(2, -1).astype(np.int64)
    return Stage(
        KINDS[targets[0].kind].model,
        bits // 64,
        bits % 64,
        u,
        v,
        np.concatenate([t.early_differ[:size] for t in targets]),
        np.cumsum([0] + [p.shape[1] for p in places]).astype(np.int64),
        np.full(len(targets), allowed, np.int64),
    )


def stages(model: str) -> tuple[tuple[int, int], ...]:
    """(pairs, disagreements allowed) of the passes over the seeds of a generator."""
    return _JUMPING if lanes.REACH[model] is None else _FROM_SEED


@kernel
def _agree(bits, u, v, differ, begin, allowed, lane, owner):  # type: ignore[no-untyped-def]
    """(lane, owner) of every column of `bits` in which a target's pairs agree; returns how many.

    Both must hold one entry more than there are columns times targets: each is written before it is known to count.
    """
    wrong = np.empty(256, np.uint8)
    found = 0
    for base in range(0, bits.shape[1], 256):
        n = min(256, bits.shape[1] - base)
        for t in range(allowed.shape[0]):
            wrong[:] = 0
            for i in range(begin[t], begin[t + 1]):
                a, b, d = bits[u[i], base : base + n], bits[v[i], base : base + n], differ[i]
                for l in range(n):
                    wrong[l] += np.uint8(np.uint8(a[l] ^ b[l]) ^ d)
            most = allowed[t]
            for l in range(n):
                lane[found] = base + l
                owner[found] = t
                found += int(wrong[l] <= most)
    return found


Passer = Callable[[lanes.U32], tuple[NDArray[np.integer], NDArray[np.integer]]]


def passer(s: Stage, device: str = "cpu") -> Passer:
    """A function of uint32 seeds that gives (position among them, target) of those that pass a stage, on a device."""
    if device != "cpu":
        return passer_torch(s, device)
    read = lanes.reader(s.model, s.output, s.shift)

    def passed(seeds: lanes.U32) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        size = len(seeds) * len(s.allowed) + 1
        lane, owner = np.empty(size, np.int32), np.empty(size, np.int32)
        n = int(_agree(read(seeds), s.u, s.v, s.differ, s.begin, s.allowed, lane, owner))
        return lane[:n], owner[:n]

    return passed


def passer_torch(s: Stage, device: str) -> Passer:
    """`passer`, by torch on a device."""
    read = lanes_torch.reader(s.model, s.output, s.shift, device)
    u, v, differ = (torch.from_numpy(a).to(device) for a in (s.u, s.v, s.differ))
    ends = list(zip(s.begin[:-1], s.begin[1:], s.allowed.tolist()))

    def passed(seeds: lanes.U32) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        bits = read(seeds)
        wrong = bits[u] ^ bits[v] ^ differ[:, None]
        agree = torch.stack([wrong[a:b].sum(0) <= most for a, b, most in ends])
        owner, lane = torch.nonzero(agree).cpu().numpy().T
        return lane, owner

    return passed


def explains(seed: int, target: PairTarget) -> bool:
    """Whether the generator itself, seeded so, gives the observed pairs."""
    bits = first_bits(seed, int(target.best.max()) + 1, target.kind)
    wrong = bits[target.best[0]] ^ bits[target.best[1]] ^ target.best_differ
    return int(wrong.sum()) <= target.allowed


def scan(
    targets: list[PairTarget],
    *,
    first: int = 0,
    last: int = 2**32,
    device: str = "cpu",
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[tuple[int, int]]:
    """(seed, index of the target) of every seed in [first, last) under which a target's mask bits are as observed.

    Targets that are not `usable` are left out.
    """
    members: dict[str, list[int]] = {}
    for n, t in enumerate(targets):
        if t.usable:
            members.setdefault(KINDS[t.kind].model, []).append(n)
    hits: list[tuple[int, int]] = []
    for model, group in members.items():
        chunk = CHUNK if device == "cpu" else _TORCH_CHUNK.get(model, 1 << 20)
        found = search_range(
            _search([targets[n] for n in group], device),
            first,
            last,
            chunk,
            threads=threads if device == "cpu" else 1,
            progress=progress,
            task=f"scanning seeds of {KINDS[targets[group[0]].kind].generator}",
        )
        hits += [(seed, group[n]) for seed, n in found]
    return sorted(hits)


def _search(group: list[PairTarget], device: str) -> Callable[[int, int], list[tuple[int, int]]]:
    """A function that gives (seed, index of the target) of the seeds of a chunk, for targets of one generator."""
    each, *more = stages(KINDS[group[0].kind].model)
    every = passer(stage(group, *each), device)
    later = [[passer(stage([t], *s), device) for s in more] for t in group]

    def search(start: int, stop: int) -> list[tuple[int, int]]:
        block = _BLOCK if device == "cpu" else stop - start
        left: list[list[lanes.U32]] = [[] for _ in group]
        for base in range(start, stop, block):
            seeds = np.arange(base, min(base + block, stop)).astype(np.uint32)
            lane, owner = every(seeds)
            for n, part in enumerate(left):
                part.append(seeds[lane[owner == n]])
        hits = []
        for n, target in enumerate(group):
            seeds = np.concatenate(left[n])
            for passed in later[n]:
                seeds = seeds[passed(seeds)[0]]
            hits += [(int(s), n) for s in seeds if explains(int(s), target)]
        return hits

    return search
