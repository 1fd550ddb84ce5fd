"""Seeds that people choose under every way that libraries draw, and generators that encodings or batches have each.

A generator per encoding (``manual_seed(base + i)``, ``default_rng(s).spawn(n)``, ``fold_in(key, i)``) shows in the
first encoding like any other, and then ends: where the stream of one seed does not fit the next encoding, the seeds
that follow are tried for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng.generators.conventions import Layout
from ihaudit.attacks.prng.generators.libraries import DRAWS, Bits, Draw
from ihaudit.attacks.prng.pairs import rank_pairs, smoothness
from ihaudit.attacks.prng.search import SECURE, Explanation, Search
from ihaudit.attacks.prng.stream import UnmaskedRelease
from ihaudit.release import FloatArray

#: Seeds that are chosen for what they look like, besides the small ones.
FAVOURITES = (
    *range(1900, 2036), 1234, 12345, 123456, 1234567, 12345678, 123456789, 1337, 31337, 3407, 4242, 424242, 42424242,
    1111, 2222, 3333, 4444, 5555, 6666, 7777, 8888, 9999, 10_000, 20_000, 54321, 65535, 65536, 99999, 100_000, 314159,
    271828, 161803, 1_000_000, 2**31 - 1, 2**32 - 1, 0xDEADBEEF, 0xC0FFEE, 19650218, 5489,
)  # fmt: skip
#: Small seeds that are tried, by profile.
SMALL = {"quick": 1025, "standard": 5001, "full": 20_001}
#: Mask elements that are drawn for every seed; pairs in them that are compared, and how many may disagree.
_PREFIX, _PAIRS, _WRONG = 512, 56, 6
_SMOOTH = 0.4  # of `smoothness`, as in `stream`
#: Seeds after the last one that may begin the next encoding or batch.
_STEPS = 64


@dataclass(frozen=True, eq=False)
class _First:
    """The best pairs among the first elements of the first mask: ends int64 (2, n), and whether they differ."""

    layout: Layout
    ends: NDArray[np.int64]
    differ: NDArray[np.uint8]

    @classmethod
    def of(cls, x: FloatArray, layout: Layout) -> _First:
        shape: tuple[int, int, int] = x.shape[1:]
        pairs = rank_pairs(x[:1], x[0].size * 2, skip_border=False, channels=1 if layout.id == "NHW" else None)
        index = layout.index(shape).reshape(-1)
        ends = np.stack([index[pairs.first], index[pairs.second]])
        near = np.flatnonzero(ends.max(0) < _PREFIX)[:_PAIRS]
        return cls(layout, ends[:, near], pairs.differ[near])

    def fits(self, bits: Bits) -> bool:
        wrong = int(((bits[self.ends[0]] ^ bits[self.ends[1]]) != self.differ).sum())
        return wrong <= _WRONG


def seeds(profile: str) -> Iterator[int]:
    """Small seeds and favourites, each once."""
    yield from dict.fromkeys([42, *range(SMALL[profile]), *FAVOURITES])


def explain_by_draws(search: Search) -> Explanation | None:
    """A seed of `seeds` and a draw of `DRAWS` that explain the masks, or None."""
    first = [_First.of(search.encodings, layout) for layout in search.layouts]
    first = [f for f in first if len(f.differ) == _PAIRS]
    words = f"0..{SMALL[search.ctx.profile] - 1:,} and {len(FAVOURITES)} favourites"
    with search.stage("seed", "draws") as record:
        record.diagnostics = {"draws": len(DRAWS), "ranges": [words]}
        if not first:
            search.tried("libraries' own draws", "all", "none", "not possible: too few neighbouring pixels")
            return None
        best: Explanation | None = None
        size = min(_PREFIX, search.layouts[0].size(search.encodings.shape[1:]))
        for n, draw in enumerate(DRAWS):
            search.ctx.progress(f"{draw.generator}: {draw.call}", n / len(DRAWS))
            found = _seed(draw, first, seeds(search.ctx.profile), size)
            search.tried(draw.generator, draw.call, words, "no seed fits" if found is None else f"seed {found[0]}")
            explained = None if found is None else explained_by(search, draw, *found)
            if explained is not None and (best is None or _count(explained) > _count(best)):
                best = explained
                # default_rng([42, 0]) is default_rng(42): the first encoding may fit where the others do not
                if _count(best) > 0.5 * len(search.encodings):
                    break
    return best


def _count(explained: Explanation) -> int:
    return 0 if explained.unmasked is None else int(explained.unmasked.known.sum())


def _seed(draw: Draw, first: list[_First], tried: Iterator[int], size: int) -> tuple[int, Layout] | None:
    for seed in tried:
        bits = draw.bits(seed, 0, size)
        for f in first:
            if f.fits(bits):
                return seed, f.layout
    return None


def explained_by(search: Search, draw: Draw, seed: int, layout: Layout) -> Explanation | None:
    """The masks that a draw under a seed explains: one stream, or one for each encoding or batch."""
    got, streams = follow(search.encodings, draw, seed, layout)
    if not got.known.any():
        return None
    how = "one stream" if streams == 1 else f"{streams:,} generators, one after another from seed {seed} on"
    if draw.each:
        how = f"one generator for each encoding, derived from {seed} and its number"
    text = f"{draw.call}; {layout.id}"
    return Explanation(
        f"The masks come from {draw.generator} seeded with {seed} ({text}; {how}): {got.count} are unmasked.",
        got,
        {"generator": draw.generator, "convention": text, "origin": {"kind": "seed", "seed": seed, "streams": streams}}
        | got.diagnostics,
        remedy=f"{SECURE}; seeds that people choose are tried in seconds",
    )


def follow(encodings: FloatArray, draw: Draw, seed: int, layout: Layout) -> tuple[UnmaskedRelease, int]:
    """Undo masks drawn under `seed`, and from where its stream ends, under those that follow it.

    Args:
        encodings: float (E, H, W, C), the first of which has the first mask of the seed.
        draw: how they are drawn.
        seed: of the first.
        layout: order of elements within an encoding.

    Returns:
        The release without its masks, and how many generators it took.
    """
    shape: tuple[int, int, int] = encodings.shape[1:]
    size, index = layout.size(shape), layout.index(shape)
    out = UnmaskedRelease(np.zeros(encodings.shape, np.float32), np.zeros(len(encodings), bool))

    def fitted(at: int, bits: Bits) -> int:
        """How many encodings from `at` on the bits (m * size,) unmask; these are written down."""
        part = encodings[at : at + len(bits) // size]
        signs = (2 * bits[: len(part) * size].reshape(len(part), size).astype(np.int8) - 1)[:, index]
        mixtures = np.asarray(part * signs, np.float32)
        smooth = smoothness(mixtures) > _SMOOTH
        good = len(part) if smooth.all() else int(np.argmin(smooth))
        out.mixtures[at : at + good], out.known[at : at + good] = mixtures[:good], True
        return good

    if draw.each:
        numbers = [fitted(e, draw.bits(seed, e, size)) for e in range(len(encodings))]
        streams = sum(numbers)
        if streams < len(encodings):
            streams += _shuffled(encodings, lambda i: draw.bits(seed, i, size), out, layout)
        return out, streams
    at, streams, length, now, step = 0, 0, len(encodings), seed, 1
    while at < len(encodings):
        hit = 0
        for candidate in [now] if not streams else dict.fromkeys([now + step, *range(now + 1, now + _STEPS)]):
            hit = fitted(at, draw.bits(candidate, 0, size))
            if hit:
                step, now = candidate - now or 1, candidate
                break
        if not hit:
            break
        # the first stream is drawn as long as the release, those after it as long as it turned out to be
        run = fitted(at, draw.bits(now, 0, size * min(length, len(encodings) - at))) if length > 1 else 1
        length = run if streams == 0 else max(length, run)
        at, streams = at + max(run, 1), streams + 1
    if at < len(encodings) and length == 1:
        around = range(seed - len(encodings), seed + len(encodings) + 1)
        streams += _shuffled(
            encodings, lambda j: draw.bits(around[j], 0, size) if around[j] >= 0 else None, out, layout
        )
    return out, streams


def _shuffled(encodings: FloatArray, bits: Callable[[int], Bits | None], out: UnmaskedRelease, layout: Layout) -> int:
    """Encodings in another order than their generators: every one that is left against the mask of every number."""
    left = np.flatnonzero(~out.known)
    numbers = 2 * len(encodings) + 1
    if len(left) * numbers > 4_000_000 or not len(left):
        return 0
    index = layout.index(encodings.shape[1:])
    firsts = {int(e): _First.of(encodings[e : e + 1], layout) for e in left}
    masks = [m for m in (bits(j) for j in range(numbers)) if m is not None]
    head = np.stack([m[:_PREFIX] for m in masks])
    found = 0
    for e, f in firsts.items():
        if len(f.differ) < _PAIRS:
            continue
        wrong = ((head[:, f.ends[0]] ^ head[:, f.ends[1]]) != f.differ).sum(1)
        best = int(wrong.argmin())
        if wrong[best] > _WRONG:
            continue
        mixture = encodings[e] * (2 * masks[best].astype(np.int8) - 1)[index]
        if float(smoothness(mixture[None])[0]) > _SMOOTH:
            out.mixtures[e], out.known[e] = mixture, True
            found += 1
    return found
