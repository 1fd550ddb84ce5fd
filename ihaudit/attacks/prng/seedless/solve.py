"""The seedless attack over a release: windows, conventions and layouts in turn, then masks and seed from the state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ihaudit.attacks.prng.generators.conventions import INTERLEAVED, LIKELY, NHW, PLAIN, Convention, Layout
from ihaudit.attacks.prng.generators.mt_linear import DEGREE, state_from_bits
from ihaudit.attacks.prng.pairs import rank_pairs
from ihaudit.attacks.prng.search import Explanation, Search
from ihaudit.attacks.prng.seedless.equations import EQUATIONS, LEAST, Trial, attempt
from ihaudit.attacks.prng.seedless.origin import Origin, origin
from ihaudit.attacks.prng.stream import Stream, unmask

_ELEMENTS = 40 * 3072  # mask elements in the first window: 40 encodings of 32x32x3
_POOL = 3 * EQUATIONS  # ranked pairs, of which a spanning forest takes a third
_REACH = {"quick": 4_000_000, "standard": 40_000_000, "full": 400_000_000}  # words to step back for a seed


@dataclass(frozen=True)
class Window:
    """Consecutive encodings from which the state is solved, and the first of them."""

    start: int
    count: int


def windows(count: int, size: int, profile: str) -> list[Window]:
    """Windows of a release of `count` encodings of `size` mask elements to solve from, in order.

    The first has the usual 40 encodings' worth of elements, and is the only one of the profile `quick`; smaller ones
    serve streams that are interrupted after fewer (short epochs), larger ones images whose neighbours are less alike.
    """
    base = max(1, -(-_ELEMENTS // size))
    sizes = [base]
    if profile != "quick":
        sizes += [base * 5 // 2, base * 5 // 8, base * 4 // 5, base * 4, base // 2]
    sizes = [min(max(1, n), count) for n in sizes]
    out = [Window(0, n) for n in dict.fromkeys(sizes) if n * size > 1.05 * DEGREE]
    if profile != "quick" and count > 8 * base:
        out.append(Window(count // 2, base))
    return out


def hypotheses(layouts: tuple[Layout, ...], interleaved: bool, likely: bool) -> Iterator[tuple[Convention, Layout]]:
    """Conventions and layouts in the order in which they are tried: the likely ones first.

    Args:
        layouts: element orders.
        interleaved: whether to try the conventions with several bits per step.
        likely: of those, only the first `LIKELY`, in the first layout.
    """
    for layout in layouts:
        yield PLAIN[0], layout
    if interleaved:
        for convention in INTERLEAVED[:LIKELY] if likely else INTERLEAVED:
            for layout in layouts[:1] if likely else layouts:
                yield convention, layout


def explain_by_state(search: Search) -> Explanation | None:
    """The state of a Mersenne Twister, and the masks that it predicts; None where no system is consistent."""
    size = search.layouts[0].size(search.encodings.shape[1:])
    todo = windows(len(search.encodings), size, search.ctx.profile)
    if not todo:
        count = len(search.encodings)
        outcome = f"not possible: {count * size:,} mask values, at least {DEGREE:,} are needed"
        search.tried("MT19937", "state from mask bits, any", f"{count} encodings", outcome)
        return None
    with search.stage("state", "seedless") as record:
        solved = _solve(search, todo)
        if solved is not None:
            trial = solved[0]
            names = ("encodings", "equations", "rank", "surplus", "inconsistent")
            record.diagnostics = {name: getattr(trial, name) for name in names}
        record.diagnostics["systems_tried"] = len(search.scanned)
    return None if solved is None else _explain(search, *solved)


def _solve(search: Search, todo: list[Window]) -> tuple[Trial, int] | None:
    """The first consistent system over windows, conventions and layouts, and the encoding where its stream starts."""
    x, quick, base = search.encodings, search.ctx.profile == "quick", todo[0].count
    channels = 1 if search.layouts == (NHW,) else None
    for number, window in enumerate(todo):
        block = x[window.start : window.start + window.count]
        for border in (True,) if number or quick else (True, False):
            pairs = rank_pairs(block, _POOL, skip_border=border, channels=channels)
            for convention, layout in hypotheses(search.layouts, number == 0 and border, quick):
                search.ctx.progress(f"mask bits as {convention.id}, {layout.id}, {window.count} encodings", None)
                # three wrong equations are looked for where they are to be expected: in few encodings
                correct = 3 if convention.per_step == 1 and window.count <= base else 2
                trial = attempt(pairs, x.shape[1:], convention, layout, window.count, correct)
                if trial.equations < LEAST:
                    continue
                search.tried(*trial.row())
                if trial.holds and trial.rank < DEGREE:
                    # consistent, but too few independent equations: the same from four times the encodings
                    more = x[window.start :][: 4 * window.count]
                    trial = attempt(
                        rank_pairs(more, _POOL, channels=channels), x.shape[1:], convention, layout, len(more)
                    )
                    search.tried(*trial.row())
                if trial.holds and trial.rank == DEGREE:
                    return trial, window.start
    return None


def _streams(trial: Trial, found: Origin | None) -> Iterator[Stream]:
    """The streams that predict the masks: the true one where the seed shows it, else one per stride."""
    plain = trial.convention.per_step == 1
    for c in (found.convention,) if found else (PLAIN[0], PLAIN[2]) if plain else (trial.convention,):
        yield Stream(state_from_bits(c, trial.bits), c)


def trace(trial: Trial, reach: int) -> Origin | None:
    """The seed behind a state, at most `reach` words before it, under each convention that the masks leave open."""
    for c in PLAIN if trial.convention.per_step == 1 else (trial.convention,):
        if (found := origin(state_from_bits(c, trial.bits), c, reach)) is not None:
            return found
    return None


def _explain(search: Search, trial: Trial, start: int) -> Explanation | None:
    """Seed, masks of the whole release, and what to say about them."""
    reach = _REACH[search.ctx.profile]
    with search.stage("origin", "none") as record:
        found = trace(trial, reach)
        record.variant = found.kind if found else "none"
    best, used = None, trial.convention
    with search.stage("unmask", "") as record:
        for stream in _streams(trial, found):
            got = unmask(search.encodings, stream, trial.layout, start=start)
            if best is None or got.known.sum() > best.known.sum():
                best, used = got, stream.convention
            if got.known.all():
                break
        assert best is not None
        known = int(best.known.sum())
        record.variant = f"{used.id}-{trial.layout.id}"
        record.diagnostics = {"known": known, "of": len(best.known), "gaps": best.gaps[:50]}
    if not known:
        return None
    how = "one generator bit per value (which bit and stride the masks alone cannot tell, nor need they)"
    if found or trial.convention.per_step > 1:
        how = used.text
    sentence = (
        f"The masks come from a Mersenne Twister (MT19937; {how}; {trial.layout.id}): its whole state was recovered "
        f"from {trial.encodings} encodings without any seed, {trial.surplus} surplus equations all hold and it "
        f"predicts the masks of {best.count}."
    )
    if found:
        sentence += f" It was {found.sentence()}."
    return Explanation(
        sentence,
        best,
        {
            "generator": "MT19937",
            "convention": how,
            "layout": trial.layout.id,
            "origin": found.to_dict() if found else None,
            "origin_searched_words": reach,
            "encodings_used": trial.encodings,
            "surplus_equations": trial.surplus,
            "inconsistent": trial.inconsistent,
        }
        | best.diagnostics,
    )
