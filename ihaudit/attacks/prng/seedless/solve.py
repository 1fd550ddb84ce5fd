"""The seedless attack over a release: windows, conventions and layouts in turn, then masks and seed from the state."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import NCHW, NHW, NHWC, PLAIN, Convention, Layout
from ihaudit.attacks.prng.pairs import rank_pairs
from ihaudit.attacks.prng.seedless import equations as seedless
from ihaudit.attacks.prng.seedless.origin import Origin, origin
from ihaudit.attacks.prng.stream import Stream, Unmasked, unmask
from ihaudit.contracts.context import Context
from ihaudit.release import FloatArray
from ihaudit.results import StageRecord

_ELEMENTS = 40 * 3072  # mask elements in the first window: 40 encodings of 32x32x3
_POOL = 3 * seedless.EQUATIONS  # ranked pairs, of which a spanning forest takes a third
_REACH = {"quick": 4_000_000, "standard": 40_000_000, "full": 400_000_000}  # words to step back for a seed


SECURE = (
    "draw masks, coefficients and permutations from a cryptographically secure generator (os.urandom, secrets, or a "
    "stream cipher keyed by them)"
)


@dataclass(eq=False)
class Found:
    """A generator that explains the release."""

    sentence: str
    unmasked: Unmasked | None
    diagnostics: dict[str, Any] = field(default_factory=dict)
    remedy: str = f"{SECURE}; a larger seed does not help, the state is recovered without it"


@dataclass(eq=False)
class Candidate:
    """A recovered state with the hypothesis it was found under."""

    trial: seedless.Trial
    start: int
    state: mt.U32


def windows(count: int, size: int, profile: str) -> list[tuple[int, int]]:
    """(first encoding, how many) to solve from, in order.

    The first has the usual 40 encodings' worth of elements; smaller ones serve streams that are interrupted after fewer
    (short epochs), larger ones images whose neighbours are less alike.
    """
    base = max(1, -(-_ELEMENTS // size))
    sizes = [base, max(1, base * 5 // 2), max(1, base * 5 // 8)]
    if profile != "quick":
        sizes += [max(1, base * 4 // 5), base * 4, max(1, base // 2)]
    out: list[tuple[int, int]] = []
    for n in sizes:
        n = min(n, count)
        if n * size > 1.05 * seedless.DEGREE and (0, n) not in out:
            out.append((0, n))
    if profile != "quick" and count > 8 * base:
        out.append((count // 2, base))
    return out


def layouts_for(x: FloatArray) -> tuple[Layout, ...]:
    """Element orders worth trying: one sign per pixel where all channels carry the same sign, else per value."""
    c = x.shape[-1]
    if c == 1:
        return (NHWC,)
    part = x[: min(len(x), 64)]
    same = float(np.mean((part[..., 0] < 0) == (part[..., 1] < 0)))
    return (NHW,) if same > 0.8 else (NHWC, NCHW)


def solve_seedless(
    x: FloatArray, ctx: Context, scanned: list[dict[str, Any]], stages: list[StageRecord]
) -> Candidate | None:
    """Try windows, conventions and layouts until one system is consistent."""
    shape: tuple[int, int, int] = x.shape[1:]
    layouts = layouts_for(x)
    size = layouts[0].size(shape)
    began = time.perf_counter()
    todo = windows(len(x), size, ctx.profile)
    if not todo:
        scanned.append(
            {
                "generator": "MT19937",
                "convention": "state from mask bits, any",
                "range": f"{len(x)} encodings",
                "outcome": f"not possible: {len(x) * size:,} mask values, at least {seedless.DEGREE:,} are needed",
            }
        )
        return None
    quick, base = ctx.profile == "quick", todo[0][1]
    for number, (start, count) in enumerate(todo):
        channels = 1 if layouts == (NHW,) else None
        block = x[start : start + count]
        for border in (True, False) if number == 0 and ctx.profile != "quick" else (True,):
            pairs = rank_pairs(block, _POOL, skip_border=border, channels=channels)
            for convention, layout in seedless.hypotheses(layouts, interleaved=number == 0 and border, likely=quick):
                ctx.progress(f"mask bits as {convention.id}, {layout.id}, {count} encodings", None)
                # three wrong equations are looked for where they are to be expected: in few encodings
                correct = 3 if convention.per_step == 1 and count <= base and not (quick and number) else 2
                trial = seedless.attempt(pairs, shape, convention, layout, count, correct)
                if trial.equations < seedless.DEGREE + 40:
                    continue
                scanned.append(trial.row())
                if not trial.holds:
                    continue
                if trial.rank < seedless.DEGREE:
                    trial = _more_equations(x, start, trial, channels)
                    scanned.append(trial.row())
                    if not trial.holds or trial.rank < seedless.DEGREE:
                        continue
                state = seedless.state_from_bits(convention, trial.bits)
                stages.append(
                    StageRecord(
                        name="state",
                        variant="seedless",
                        seconds=time.perf_counter() - began,
                        diagnostics={
                            "encodings": trial.encodings,
                            "equations": trial.equations,
                            "rank": trial.rank,
                            "surplus": trial.surplus,
                            "inconsistent": trial.inconsistent,
                            "systems_tried": len(scanned),
                        },
                    )
                )
                return Candidate(trial, start, state)
    stages.append(
        StageRecord(
            name="state",
            variant="seedless",
            seconds=time.perf_counter() - began,
            diagnostics={"systems_tried": len(scanned)},
        )
    )
    return None


def _more_equations(x: FloatArray, start: int, trial: seedless.Trial, channels: int | None) -> seedless.Trial:
    """The same hypothesis from four times the encodings: consistent, but too few independent equations before."""
    shape: tuple[int, int, int] = x.shape[1:]
    count = min(len(x) - start, trial.encodings * 4)
    pairs = rank_pairs(x[start : start + count], _POOL, channels=channels)
    return seedless.attempt(pairs, shape, trial.convention, trial.layout, count)


def trace(candidate: Candidate, ctx: Context) -> Origin | None:
    """The seed behind a recovered state, under each convention that the masks leave open."""
    convention = candidate.trial.convention
    options = PLAIN if convention.per_step == 1 else (convention,)
    for c in options:
        state = candidate.state if c is convention else seedless.state_from_bits(c, candidate.trial.bits)
        found = origin(state, c, _REACH[ctx.profile])
        if found is not None:
            return found
    return None


def surrogates(candidate: Candidate, found: Origin | None) -> list[Convention]:
    """Conventions to continue the stream with: the true one where the seed shows it, else one per stride."""
    if candidate.trial.convention.per_step > 1:
        return [candidate.trial.convention]
    if found is not None:
        return [found.convention]
    return [PLAIN[0], PLAIN[2]]


def from_state(x: FloatArray, candidate: Candidate, ctx: Context, stages: list[StageRecord]) -> Found | None:
    """Seed, masks of the whole release, and what to say about them."""
    began = time.perf_counter()
    found = trace(candidate, ctx)
    traced = time.perf_counter()
    layout = candidate.trial.layout
    best: Unmasked | None = None
    used = candidate.trial.convention
    for c in surrogates(candidate, found):
        state = (
            candidate.state if c is candidate.trial.convention else seedless.state_from_bits(c, candidate.trial.bits)
        )
        got = unmask(x, Stream(state, c), layout, start=candidate.start)
        if best is None or got.known.sum() > best.known.sum():
            best, used = got, c
        if got.known.all():
            break
    if best is None or not best.known.any():
        return None
    known = int(best.known.sum())
    stages.append(
        StageRecord(name="origin", variant=found.kind if found else "none", seconds=traced - began, diagnostics={})
    )
    stages.append(
        StageRecord(
            name="unmask",
            variant=f"{used.id}-{layout.id}",
            seconds=time.perf_counter() - traced,
            diagnostics={"known": known, "of": len(x), "gaps": best.gaps[:50]},
        )
    )
    plain = candidate.trial.convention.per_step == 1
    how = (
        used.text
        if found or not plain
        else "one generator bit per value (which bit and stride the masks alone cannot tell, nor need they)"
    )
    sentence = (
        f"The masks come from a Mersenne Twister (MT19937; {how}; {layout.id}): its whole state was recovered from "
        f"{candidate.trial.encodings} encodings without any seed, {candidate.trial.surplus} surplus equations all hold "
        f"and it predicts the masks of {known:,} of {len(x):,} encodings."
    )
    if found:
        sentence += f" It was {found.sentence()}."
    return Found(
        sentence,
        best,
        {
            "generator": "MT19937",
            "convention": how,
            "layout": layout.id,
            "origin": found.to_dict() if found else None,
            "origin_searched_words": _REACH[ctx.profile],
            "encodings_used": candidate.trial.encodings,
            "surplus_equations": candidate.trial.surplus,
            "inconsistent": candidate.trial.inconsistent,
            "unmasked": known,
            "gaps": best.gaps[:50],
        },
    )
