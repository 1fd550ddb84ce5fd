"""The order in which generators are tried, within the budget of a profile."""

from __future__ import annotations

import time
from typing import Any, Protocol

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.kinds import KINDS
from ihaudit.attacks.prng.scans import seeds as seeded
from ihaudit.attacks.prng.scans.replay import find_by_replay
from ihaudit.attacks.prng.seedless.solve import SECURE, Found, from_state, layouts_for, solve_seedless
from ihaudit.attacks.prng.stream import Stream, Unmasked, unmask
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.release import FloatArray
from ihaudit.results import StageRecord


class Options(Protocol):
    """The fields of the attack that steer the search."""

    @property
    def seedless(self) -> str:
        """``yes`` or ``no``."""

    @property
    def human(self) -> str:
        """``yes`` or ``no``."""

    @property
    def scans(self) -> str:
        """``auto``, ``never`` or ``always``."""


def find(
    x: FloatArray | None,
    view: View,
    ctx: Context,
    options: Options,
    scanned: list[dict[str, Any]],
    stages: list[StageRecord],
) -> Found | None:
    """Everything that the profile allows, strongest test first.

    Args:
        x: signed encodings, or None where there is no mask to predict (then only label scans apply).
        scanned, stages: filled in.
    """
    if x is not None and options.seedless == "yes":
        candidate = solve_seedless(x, ctx, scanned, stages)
        if candidate is not None:
            found = from_state(x, candidate, ctx, stages)
            if found is not None:
                return found
    if x is not None and options.human == "yes":
        found = find_by_replay(x, view, ctx, scanned, stages)
        if found is not None:
            return found
    steps: list[list[seeded.Range]] = []
    if options.human == "yes":
        steps.append(seeded.human_ranges(ctx.profile))
    if options.scans == "always" or (options.scans == "auto" and ctx.profile == "full"):
        steps.append([seeded.EVERY])
    for ranges in steps:
        began = time.perf_counter()
        found = _by_seed(x, view, ctx, ranges, scanned)
        stages.append(
            StageRecord(
                name="seed",
                variant="all" if ranges == [seeded.EVERY] else "human",
                seconds=time.perf_counter() - began,
                diagnostics={"ranges": [r[2] for r in ranges]},
            )
        )
        if found is not None:
            return found
    return None


def _by_seed(
    x: FloatArray | None,
    view: View,
    ctx: Context,
    ranges: list[seeded.Range],
    scanned: list[dict[str, Any]],
) -> Found | None:
    seed = seeded.by_labels(view, ranges, ctx, scanned)
    layouts = layouts_for(x) if x is not None else ()
    if seed is not None:
        told = f"The coefficients are numpy's legacy normals under the seed {seed} (numpy.random.seed({seed}))"
        diagnostics: dict[str, Any] = {
            "generator": "MT19937",
            "origin": {"kind": "init_genrand", "seed": seed, "offset_words": 0, "convention": "normal"},
        }
        got = seeded.unmask_from_seed(x, seed, layouts) if x is not None else None
        if got is None:
            return Found(
                f"{told}: every coefficient, and what else that generator draws, is known. Its masks were not found.",
                None,
                diagnostics,
            )
        known = int(got[0].known.sum())
        return Found(
            f"{told}, and the masks come from the same seed ({got[1]}; {got[2].id}): {known:,} of "
            f"{len(got[0].known):,} encodings are unmasked.",
            got[0],
            diagnostics | {"convention": got[1], "layout": got[2].id, "unmasked": known, "gaps": got[0].gaps[:50]},
        )
    if x is None:
        return None
    hit = seeded.by_masks(x, layouts, view, ranges, ctx, scanned)
    if hit is not None:
        seed, target = hit
        state = mt.raw(mt.init_genrand(seed), target.offset)[target.offset :]
        unmasked = unmask(x, Stream(state, target.convention), target.layout)
        return _seed_found(unmasked, "MT19937", seed, target.describe())
    other = seeded.by_first_mask(x, layouts, tuple(KINDS), ranges, ctx, scanned)
    if other is not None:
        seed, kind, layout = other
        unmasked = seeded.unmask_first(x, seed, kind, layout)
        return _seed_found(unmasked, KINDS[kind][0], seed, f"{KINDS[kind][1]}; {layout.id}")
    return None


def _seed_found(unmasked: Unmasked, generator: str, seed: int, convention: str) -> Found | None:
    known = int(unmasked.known.sum())
    if not known:
        return None
    return Found(
        f"The masks come from {generator} seeded with {seed} ({convention}): {known:,} of {len(unmasked.known):,} "
        "encodings are unmasked.",
        unmasked,
        {
            "generator": generator,
            "convention": convention,
            "origin": {"kind": "seed", "seed": seed},
            "unmasked": known,
            "gaps": unmasked.gaps[:50],
        },
        remedy=f"{SECURE}; all 2^32 seeds of 32 bits are tried in minutes",
    )
