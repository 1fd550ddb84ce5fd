"""Seeds by models of the generators: people's favourites first, all 2^32 where the profile allows it."""

from __future__ import annotations

import time
from typing import Any

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import PLAIN, Convention, Layout
from ihaudit.attacks.prng.generators.kinds import KINDS, first_bits
from ihaudit.attacks.prng.generators.libraries import Bits, Draw
from ihaudit.attacks.prng.scans import first_mask, labels, masks
from ihaudit.attacks.prng.scans.draws import explained_by
from ihaudit.attacks.prng.scans.ranges import DATES, EVERY, SMALL, Range
from ihaudit.attacks.prng.search import SECURE, Explanation, Search
from ihaudit.attacks.prng.stream import Stream, UnmaskedRelease, unmask, unmask_first
from ihaudit.contracts.view import View

_REACH = 4_000_000  # elements searched for the first mask once a seed is known
_NUMPY = "MT19937 (numpy.random.seed)"
_TORCH = "MT19937 (torch.manual_seed on the CPU, numpy.random.seed)"


def human_ranges(profile: str) -> list[Range]:
    """Seeds that people choose: small numbers, dates as yyyymmdd, recent unix times (profile `standard` on)."""
    if profile == "quick":
        return [SMALL]
    day, now = 86_400, int(time.time())
    # scans take whole intervals: numbers between dates cost nothing
    return [SMALL, DATES, Range(range(now - 30 * day, now + day), "unix times of the last 30 days")]


def mixing_orders(view: View) -> list[int]:
    """Candidates for k: the scheme's own where its code is known, else the usual even ones."""
    k = (view.code or {}).get("parameters", {}).get("k") if view.code else None
    if isinstance(k, (int, float)) and int(k) >= 2:
        return [int(k)]
    return [4, 6, 2, 8]


def known_offsets(view: View) -> list[int]:
    """Words that may lie before the first mask: none, or permutations of a stated number of private images."""
    n = view.hints.get("n_private")
    return [0, int(n) - 1, 2 * (int(n) - 1)] if isinstance(n, (int, float)) and n > 1 else [0]


def explain_by_seed(search: Search, ranges: list[Range]) -> Explanation | None:
    """A seed in `ranges` that explains the coefficients in the labels, or else the masks."""
    everything = ranges == [EVERY]
    with search.stage("seed", "all" if everything else "human") as record:
        record.diagnostics = {"ranges": [r.words for r in ranges]}
        found = by_labels(search, ranges)
        if found is None and search.masked:
            found = by_masks(search, ranges) or by_single_mask(search, ranges) or by_first_mask(search, ranges)
        return found


def by_labels(search: Search, ranges: list[Range]) -> Explanation | None:
    """A numpy seed that explains the coefficients in the labels, and perhaps the masks."""
    y = search.view.labels
    if y is None or y.ndim != 2 or len(y) < 16:
        return None
    for k in mixing_orders(search.view):
        target = labels.target_from_labels(y, k)
        convention = f"numpy.random.normal(size=(rows, {k})), first draw after seeding, labels in the order drawn"
        if not target.usable:
            why = "k is odd" if k % 2 else "labels show too few pairs of coefficients, or too few decimals"
            search.tried(_NUMPY, convention, "none", f"not possible: {why}")
            continue
        for r in ranges:
            for skip in (0, 3) if r is EVERY else (0,):
                hits = labels.scan(target, skip=skip, **_interval(search, r))
                rows = f"; label rows {skip} on" if skip else ""
                search.tried(_NUMPY, convention + rows, r.words, f"seed {hits[0]}" if hits else "no seed fits")
                if hits:
                    return _explained_by_labels(search, hits[0])
    return None


def by_masks(search: Search, ranges: list[Range]) -> Explanation | None:
    """A seed of torch's or numpy's Mersenne Twister that explains the masks at a known offset, or None."""
    offsets = known_offsets(search.view)
    if search.ctx.profile == "quick":
        offsets = [o for o in offsets if o]  # without one the first encoding is enough: `by_single_mask`
    targets = [
        masks.target_from_masks(search.encodings, convention, layout, offset)
        for offset in offsets
        for convention in PLAIN[:3]
        for layout in search.layouts
    ]
    if not targets:
        return None
    for r in ranges:
        hits = masks.scan(targets, **_interval(search, r))
        for n, target in enumerate(targets):
            search.tried(_TORCH, target.describe(), r.words, _outcome(hits, n))
        if hits:
            seed, target = hits[0][0], targets[hits[0][1]]
            start = Stream(mt.init_genrand(seed), target.convention).at(target.offset)
            return _explained(unmask(search.encodings, start, target.layout), "MT19937", seed, target.describe())
    return None


def by_single_mask(search: Search, ranges: list[Range]) -> Explanation | None:
    """A seed of torch's or numpy's Mersenne Twister that explains the first encoding by itself: for the release, for
    every encoding or for every batch."""
    one = search.encodings[:1]
    targets = [
        masks.target_from_masks(one, convention, layout, 0) for convention in PLAIN[:3] for layout in search.layouts
    ]
    for r in ranges:
        hits = masks.scan(targets, **_interval(search, r))
        for n, target in enumerate(targets):
            scope = "one generator for all or for each encoding"
            search.tried(_TORCH, f"{target.describe()}; {scope}", r.words, _outcome(hits, n))
        for seed, n in hits:
            convention = targets[n].convention

            def bits(s: int, i: int, count: int, c: Convention = convention) -> Bits:
                return Stream(mt.init_genrand(s), c).bits(count)

            layout = targets[n].layout
            found = explained_by(search, Draw(_TORCH, convention.text, bits), seed, layout)
            # one stream that other draws interrupt, as permutations between epochs do
            whole = unmask(search.encodings, Stream(mt.init_genrand(seed), convention), layout)
            if found is None or found.unmasked is None or whole.known.sum() > found.unmasked.known.sum():
                found = _explained(whole, "MT19937", seed, targets[n].describe())
            if found is not None:
                return found
    return None


def by_first_mask(search: Search, ranges: list[Range], kinds: tuple[int, ...] = tuple(KINDS)) -> Explanation | None:
    """A seed of another generator that explains the first mask, drawn right after seeding, or None."""
    targets = [first_mask.pair_target(search.encodings, k, layout) for k in kinds for layout in search.layouts]
    for r in ranges:
        hits = first_mask.scan(targets, **_interval(search, r))
        for n, target in enumerate(targets):
            generator = KINDS[target.kind].generator
            if target.usable:
                search.tried(generator, target.describe(), r.words, _outcome(hits, n))
            else:
                search.tried(generator, target.describe(), "none", "not possible: too few neighbouring pixels")
        if hits:
            seed, target = hits[0][0], targets[hits[0][1]]
            unmasked = unmask_first(search.encodings, seed, target.kind, target.layout)
            kind = KINDS[target.kind]
            if not unmasked.known.all():
                each = explained_by(search, _drawn(target.kind), seed, target.layout)
                if each is not None and each.unmasked is not None and each.unmasked.known.sum() > unmasked.known.sum():
                    return each
            return _explained(unmasked, kind.generator, seed, f"{kind.call}; {target.layout.id}")
    return None


def _drawn(kind: int) -> Draw:
    """A kind as a draw."""
    return Draw(KINDS[kind].generator, KINDS[kind].call, lambda s, i, n: first_bits(s, n, kind))


def _interval(search: Search, r: Range) -> dict[str, Any]:
    """The arguments of a scan over a range."""
    ctx = search.ctx
    return {"first": r.values[0], "last": r.values[-1] + 1, "device": ctx.device, "progress": ctx.progress}


def _outcome(hits: list[tuple[int, int]], n: int) -> str:
    return next((f"seed {seed}" for seed, owner in hits if owner == n), "no seed fits")


def _explained_by_labels(search: Search, seed: int) -> Explanation:
    """What a seed of the coefficients explains; it is tried for the masks, wherever they start."""
    sentence = f"The coefficients are numpy's legacy normals under the seed {seed} (numpy.random.seed({seed}))"
    diagnostics: dict[str, Any] = {
        "generator": "MT19937",
        "origin": {"kind": "init_genrand", "seed": seed, "offset_words": 0, "convention": "normal"},
    }
    best = unmask_anywhere(search, seed) if search.masked else None
    if best is None:
        return Explanation(
            f"{sentence}: every coefficient, and what else that generator draws, is known. Its masks were not found.",
            None,
            diagnostics,
        )
    unmasked, convention, layout = best
    return Explanation(
        f"{sentence}, and the masks come from the same seed ({convention}; {layout.id}): {unmasked.count} are "
        "unmasked.",
        unmasked,
        diagnostics | {"convention": convention, "layout": layout.id} | unmasked.diagnostics,
    )


def unmask_anywhere(search: Search, seed: int) -> tuple[UnmaskedRelease, str, Layout] | None:
    """Masks of a Mersenne Twister seeded with `seed`, wherever in its first outputs they start."""
    best: tuple[UnmaskedRelease, str, Layout] | None = None
    for convention in PLAIN:
        for layout in search.layouts:
            got = unmask(search.encodings, Stream(mt.init_genrand(seed), convention), layout, reach=_REACH)
            if got.known.sum() > (best[0].known.sum() if best else 0):
                best = (got, convention.text, layout)
            if got.known.all():
                return best
    return best


def _explained(unmasked: UnmaskedRelease, generator: str, seed: int, convention: str) -> Explanation | None:
    if not unmasked.known.any():
        return None
    return Explanation(
        f"The masks come from {generator} seeded with {seed} ({convention}): {unmasked.count} are unmasked.",
        unmasked,
        {"generator": generator, "convention": convention, "origin": {"kind": "seed", "seed": seed}}
        | unmasked.diagnostics,
        remedy=f"{SECURE}; all 2^32 seeds of 32 bits are tried in minutes",
    )
