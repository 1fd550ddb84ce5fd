"""Scans over seeds: human ones first, all 2^32 in the profile `full`; every range and outcome is listed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import PLAIN, Layout
from ihaudit.attacks.prng.generators.kinds import KINDS, first_bits
from ihaudit.attacks.prng.scans import first_mask as seedscan
from ihaudit.attacks.prng.scans import labels as labelscan
from ihaudit.attacks.prng.scans import masks as maskscan
from ihaudit.attacks.prng.scans import torch_filters as device
from ihaudit.attacks.prng.scans import torch_first_mask as device_seeds
from ihaudit.attacks.prng.stream import Stream, Unmasked, unmask
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.release import FloatArray

Range = tuple[int, int, str]  # first, last + 1, in words
EVERY: Range = (0, 2**32, "all 2^32 seeds")
_REACH = 4_000_000  # elements searched for the first mask once a seed is known


def human_ranges(profile: str) -> list[Range]:
    """Seeds that people choose: small numbers, dates as yyyymmdd, recent unix times (profile `standard` on)."""
    ranges: list[Range] = [(0, 10**6, "0..999,999")]
    if profile == "quick":
        return ranges
    ranges.append((19_500_101, 20_351_232, "dates yyyymmdd, 1950..2035"))
    now = int(dt.datetime.now(dt.UTC).timestamp())
    ranges.append((now - 30 * 86400, now + 86400, "unix times of the last 30 days"))
    return ranges


def mixing_orders(view: View) -> list[int]:
    """Candidates for k: the scheme's own where its code is known, else the usual even ones."""
    k = (view.code or {}).get("parameters", {}).get("k") if view.code else None
    if isinstance(k, (int, float)) and int(k) >= 2:
        return [int(k)]
    return [4, 6, 2, 8]


def known_offsets(view: View) -> list[int]:
    """Words that may lie before the first mask: none, or permutations of a stated number of private images."""
    out = [0]
    n = view.hints.get("n_private")
    if isinstance(n, (int, float)) and n > 1:
        out += [int(n) - 1, 2 * (int(n) - 1)]
    return out


def by_labels(view: View, ranges: list[Range], ctx: Context, scanned: list[dict[str, Any]]) -> int | None:
    """A numpy seed that explains the coefficients in the labels, or None."""
    if view.labels is None or view.labels.ndim != 2 or len(view.labels) < 16:
        return None
    for k in mixing_orders(view):
        target = labelscan.target_from_labels(view.labels, k)
        what = f"numpy.random.normal(size=(rows, {k})), first draw after seeding, labels in the order drawn"
        if not target.usable:
            scanned.append(
                {
                    "generator": "MT19937 (numpy.random.seed)",
                    "convention": what,
                    "range": "none",
                    "outcome": "not possible: "
                    + ("k is odd" if k % 2 else "labels show too few pairs of coefficients, or too few decimals"),
                }
            )
            continue
        for first, last, words in ranges:
            for skip in (0, 3) if last - first == 2**32 else (0,):
                if ctx.device == "cuda":
                    hits = device.scan_labels(target, first=first, last=last, skip=skip, progress=ctx.progress)
                else:
                    hits = labelscan.scan(target, first=first, last=last, skip=skip, progress=ctx.progress)
                scanned.append(
                    {
                        "generator": "MT19937 (numpy.random.seed)",
                        "convention": what + (f"; label rows {skip} on" if skip else ""),
                        "range": words,
                        "outcome": f"seed {hits[0]}" if hits else "no seed fits",
                    }
                )
                if hits:
                    return hits[0]
    return None


def by_masks(
    x: FloatArray,
    layouts: tuple[Layout, ...],
    view: View,
    ranges: list[Range],
    ctx: Context,
    scanned: list[dict[str, Any]],
) -> tuple[int, maskscan.MaskTarget] | None:
    """A seed of torch's or numpy's Mersenne Twister that explains the masks at a known offset, or None."""
    targets = [
        maskscan.target_from_masks(x, convention, layout, offset)
        for offset in known_offsets(view)
        for convention in PLAIN[:3]
        for layout in layouts
    ]
    for first, last, words in ranges:
        if ctx.device == "cuda":
            hits = device.scan_masks(targets, first=first, last=last, progress=ctx.progress)
        else:
            hits = maskscan.scan(targets, first=first, last=last, progress=ctx.progress)
        for n, target in enumerate(targets):
            fit = [s for s, owner in hits if owner == n]
            scanned.append(
                {
                    "generator": "MT19937 (torch.manual_seed on the CPU, numpy.random.seed)",
                    "convention": target.describe(),
                    "range": words,
                    "outcome": f"seed {fit[0]}" if fit else "no seed fits",
                }
            )
        if hits:
            return hits[0][0], targets[hits[0][1]]
    return None


def by_first_mask(
    x: FloatArray,
    layouts: tuple[Layout, ...],
    kinds: tuple[int, ...],
    ranges: list[Range],
    ctx: Context,
    scanned: list[dict[str, Any]],
) -> tuple[int, int, Layout] | None:
    """(seed, kind, layout) of another generator that explains the first mask, drawn right after seeding, or None."""
    targets = [seedscan.pair_target(x, kind, layout) for kind in kinds for layout in layouts]
    for first, last, words in ranges:
        if ctx.device == "cuda":
            hits = device_seeds.scan(targets, first=first, last=last, progress=ctx.progress)
        else:
            hits = seedscan.scan(targets, first=first, last=last, progress=ctx.progress)
        for n, target in enumerate(targets):
            fit = [s for s, owner in hits if owner == n]
            none = "no seed fits" if target.usable else "not possible: too few neighbouring pixels"
            scanned.append(
                {
                    "generator": KINDS[target.kind].generator,
                    "convention": target.describe(),
                    "range": words if target.usable else "none",
                    "outcome": f"seed {fit[0]}" if fit else none,
                }
            )
        if hits:
            seed, owner = hits[0]
            return seed, targets[owner].kind, targets[owner].layout
    return None


def unmask_from_seed(x: FloatArray, seed: int, layouts: tuple[Layout, ...]) -> tuple[Unmasked, str, Layout] | None:
    """Masks of a Mersenne Twister seeded with `seed`, wherever in its first outputs they start."""
    best: tuple[Unmasked, str, Layout] | None = None
    for convention in PLAIN:
        for layout in layouts:
            got = unmask(x, Stream(mt.init_genrand(seed), convention), layout, reach=_REACH)
            if got.known.any() and (best is None or got.known.sum() > best[0].known.sum()):
                best = (got, convention.text, layout)
            if got.known.all():
                return best
    return best


def unmask_first(x: FloatArray, seed: int, kind: int, layout: Layout) -> Unmasked:
    """Masks of the encodings that follow one another from offset 0 under a kind of `KINDS`."""
    from ihaudit.attacks.prng.pairs import smoothness

    shape: tuple[int, int, int] = x.shape[1:]
    size, index = layout.size(shape), layout.index(shape)
    bits = first_bits(seed, len(x) * size, kind).reshape(len(x), size)
    mixtures = np.asarray(x * (2 * bits.astype(np.int8) - 1)[:, index], np.float32)
    known = smoothness(mixtures) > 0.4
    mixtures[~known] = 0
    return Unmasked(mixtures, known, np.where(known, np.arange(len(x)) * size, -1), [])
