"""Seeds of generators that are not one linear recurrence, and of `random.Random`: by the first mask's own bits.

Pairs of neighbours with nearly equal magnitude in the first encoding say which mask bits differ; each seed's first
bits are made and compared, stage by stage, so that most seeds cost a few dozen bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import parallel
from ihaudit.attacks.prng.conventions import Layout
from ihaudit.attacks.prng.generators import KINDS, match
from ihaudit.attacks.prng.mt import init_genrand
from ihaudit.attacks.prng.pairs import rank_pairs
from ihaudit.context import Progress
from ihaudit.release import FloatArray

CHUNK = 1 << 16
_EARLY = ((12, 64), (14, 256))  # (pairs, among the first so many elements)
_PAIRS = 96


@dataclass(frozen=True, eq=False)
class PairTarget:
    """Pairs of the first encoding by stream index, sorted by the larger index, and how they are compared."""

    layout: Layout
    u: NDArray[np.int64]
    v: NDArray[np.int64]
    differ: NDArray[np.uint8]
    stages: NDArray[np.int64]
    allowed: NDArray[np.int64]


def pair_target(x: FloatArray, layout: Layout) -> PairTarget:
    """The best pairs early in the stream (cheap to compare) and over the whole first encoding (decisive)."""
    shape: tuple[int, int, int] = x.shape[1:]
    pairs = rank_pairs(x[:1], x[0].size * 2, skip_border=False, channels=1 if layout.id == "NHW" else None)
    index = layout.index(shape).reshape(-1)
    u, v = index[pairs.first], index[pairs.second]
    last = np.maximum(u, v)
    chosen: list[int] = []
    sizes: list[int] = []
    for count, limit in _EARLY:
        near = [int(i) for i in np.flatnonzero(last < limit) if int(i) not in set(chosen)][:count]
        chosen += sorted(near, key=lambda i: int(last[i]))
        sizes.append(len(chosen))
    rest = [int(i) for i in range(len(last)) if i not in set(chosen)][: _PAIRS - len(chosen)]
    chosen += sorted(rest, key=lambda i: int(last[i]))
    sizes.append(len(chosen))
    pick = np.array(chosen, np.int64)
    # each stage's highest index must come last: sort within stages is enough, later stages may reach further only
    reach = np.maximum.accumulate(last[pick])
    ok = last[pick] == reach
    if not ok.all():
        order = np.argsort(last[pick], kind="stable")
        pick = pick[order]
        sizes = [int((last[pick] < limit).sum()) for _, limit in _EARLY] + [len(pick)]
    stages = np.array([s for s in sizes if s > 0], np.int64)
    allowed = np.maximum(1, (0.2 * stages)).astype(np.int64)
    allowed[-1] = int(0.12 * stages[-1])
    return PairTarget(layout, u[pick], v[pick], pairs.differ[pick], stages, allowed)


def scan(
    target: PairTarget,
    kind: int,
    *,
    first: int = 0,
    last: int = 2**32,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[int]:
    """Seeds in [first, last) whose first mask, drawn as `KINDS[kind]`, shows the observed pairs.

    Chance: 96 pairs with at most 11 disagreements, 2^-49 per seed.
    """
    genrand = init_genrand(19650218)
    starts = list(range(first, last, CHUNK))
    done = [0]

    def one(start: int) -> list[int]:
        out = np.empty(1024, np.uint32)
        n = match(
            start,
            min(CHUNK, last - start),
            kind,
            target.u,
            target.v,
            target.differ,
            target.stages,
            target.allowed,
            genrand,
            out,
        )
        done[0] += 1
        if progress and done[0] % 64 == 0:
            progress(f"scanning seeds of {KINDS[kind][0]}", done[0] / len(starts))
        return [int(s) for s in out[: min(int(n), len(out))]]

    return sorted(h for part in parallel(one, starts, threads) for h in part)
