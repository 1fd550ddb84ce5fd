"""All 2^32 seeds of a Mersenne Twister from mask bits at a known place of its stream, without stepping it there.

Every output bit is linear over GF(2) in the 624 words that ``init_genrand`` makes.  The functional of an output however
far away is ``x^offset`` in the generator's field (`poly`), pulled back to those words by the transposed recurrence: a
few milliseconds once, and then each seed costs its 624 words and eight parities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng._jit import kernel, parallel
from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import Convention, Layout
from ihaudit.attacks.prng.gf2 import polynomials as poly
from ihaudit.attacks.prng.gf2.elimination import unpack
from ihaudit.attacks.prng.pairs import rank_pairs
from ihaudit.contracts.context import Progress
from ihaudit.release import FloatArray

FILTER = 8  # parities per seed in the first pass: one seed in 256 survives
CONFIRM = 96  # further parities for the survivors; at most 8 % may disagree
CHUNK = 1 << 20


@kernel
def _pull_back(f, last):  # type: ignore[no-untyped-def]
    """Transposed recurrence: move functionals on raw words 624..last to words 0..623, in place; f uint32."""
    matrix = np.uint32(0x9908B0DF)
    for t in range(last, 623, -1):
        v = f[t]
        if v == 0:
            continue
        f[t] = np.uint32(0)
        f[t - 227] ^= v
        g = np.uint32(v << np.uint32(1))
        p = v & matrix
        for s in (16, 8, 4, 2, 1):
            p ^= p >> np.uint32(s)
        g |= p & np.uint32(1)
        f[t - 624] ^= g & np.uint32(0x80000000)
        f[t - 623] ^= g & np.uint32(0x7FFFFFFF)


def _temper_mask(mask: int) -> int:
    """The raw bits whose parity is that of `mask` of the tempered word (tempering is linear)."""
    basis = mt.temper(np.uint32(1) << np.arange(32, dtype=np.uint32))
    out = 0
    for j, y in enumerate(basis):
        if bin(int(y) & mask).count("1") & 1:
            out |= 1 << j
    return out


def functionals(convention: Convention, offset: int, elements: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The mask elements as parities of masked seed words.

    Args:
        convention: how elements are drawn.
        offset: words drawn between seeding and the first mask word.
        elements: int64 (n,) stream indices.

    Returns:
        uint32 (n, 624): element = parity of ``sum_i popcount(state_i & out_i)`` for the state after seeding.
    """
    f = poly.mersenne()
    base = f.x_to(offset)
    out = np.zeros((len(elements), mt.N), np.uint32)
    cache: dict[int, NDArray[np.uint8]] = {}
    for n, element in enumerate(elements):
        step, r = divmod(int(element), convention.per_step)
        work = np.zeros(mt.N + f.degree, np.uint32)
        for word, mask in convention.taps[r]:
            place = step * convention.words + word
            if place not in cache:
                cache[place] = unpack(f.mul(base, f.x_to(place)), f.degree)
            work[mt.N :] ^= cache[place].astype(np.uint32) * np.uint32(_temper_mask(mask))
        _pull_back(work, len(work) - 1)
        out[n] = work[: mt.N]
    return out


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
    mult, s30 = np.uint32(1812433253), np.uint32(30)
    groups = masks.shape[0]
    x = np.empty(256, np.uint32)
    acc = np.empty((groups * 8, 256), np.uint32)
    bits = np.empty(256, np.uint32)
    found = 0
    for base in range(0, count, 256):
        start = np.uint32(first + base)
        for l in range(256):
            x[l] = np.uint32(start + np.uint32(l))
        for g in range(groups * 8):
            v = masks[g // 8, 0, g % 8]
            for l in range(256):
                acc[g, l] = np.uint32(x[l] & v)
        for i in range(1, 624):
            add = np.uint32(i)
            for l in range(256):
                p = x[l]
                x[l] = np.uint32(np.uint32(mult * np.uint32(p ^ np.uint32(p >> s30))) + add)
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
            for l in range(256):
                bits[l] = np.uint32(0)
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


@kernel
def _confirm(seeds, owner, n, masks, parity, allowed, keep):  # type: ignore[no-untyped-def]
    """keep[i] = 1 where at most `allowed` of the owner's further parities (masks (groups, m, 624)) disagree."""
    words = np.empty(624, np.uint32)
    m = masks.shape[1]
    for s in range(n):
        words[0] = seeds[s]
        for i in range(1, 624):
            p = words[i - 1]
            words[i] = np.uint32(np.uint32(np.uint32(1812433253) * np.uint32(p ^ (p >> np.uint32(30)))) + np.uint32(i))
        wrong = 0
        g = owner[s]
        for k in range(m):
            acc = np.uint32(0)
            for i in range(624):
                acc ^= words[i] & masks[g, k, i]
            for h in (16, 8, 4, 2, 1):
                acc ^= acc >> np.uint32(h)
            if np.uint8(acc & np.uint32(1)) != parity[g, k]:
                wrong += 1
                if wrong > allowed:
                    break
        keep[s] = wrong <= allowed


def stack(targets: list[MaskTarget]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The first-pass parities of all targets: masks uint32 (groups, 624, 8) and the wanted bits uint32 (groups,)."""
    masks = np.ascontiguousarray(np.stack([t.masks[:FILTER].T for t in targets]))
    wanted = np.array([sum(int(b) << i for i, b in enumerate(t.parity[:FILTER])) for t in targets], np.uint32)
    return masks, wanted


def confirm(seeds: NDArray[np.uint32], owner: NDArray[np.int64], targets: list[MaskTarget]) -> list[tuple[int, int]]:
    """Those (seed, target) pairs of which at most 8 % of the further parities disagree."""
    more = np.stack([t.masks[FILTER:] for t in targets])
    parity = np.stack([t.parity[FILTER:] for t in targets]).astype(np.uint8)
    keep = np.zeros(len(seeds), np.uint8)
    _confirm(seeds, owner, len(seeds), more, parity, int(0.08 * more.shape[1]), keep)
    return [(int(seeds[i]), int(owner[i])) for i in np.flatnonzero(keep)]


def scan(
    targets: list[MaskTarget],
    *,
    first: int = 0,
    last: int = 2**32,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[tuple[int, int]]:
    """(seed, index of the target) of every seed in [first, last) that gives a target's parities.

    By chance one of 2^32 seeds passes with probability below 2^-40 (8 parities exactly, 88 of 96 more).
    """
    masks, wanted = stack(targets)
    starts = list(range(first, last, CHUNK))
    done = [0]

    def one(start: int) -> list[tuple[int, int]]:
        count = min(CHUNK, last - start)
        size = CHUNK // 64 * len(targets)
        out, owner = np.empty(size, np.uint32), np.empty(size, np.int64)
        n = min(size, int(_filter(start, count, masks, wanted, out, owner)))
        hits = confirm(out[:n], owner[:n], targets)
        done[0] += 1
        if progress and done[0] % 16 == 0:
            progress("scanning seeds by masks", done[0] / len(starts))
        return hits

    return sorted(h for part in parallel(one, starts, threads) for h in part)
