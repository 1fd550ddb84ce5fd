"""Candidates: which encoding is whose, by what the key leaves alone and then by what matched rows show of the key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.identity.alignment import Codes, Known, align, assign
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.games.filters import Bank
from ihaudit.invariants.evidence import Group, fit_group, means
from ihaudit.invariants.fusion import Fusion, fuse
from ihaudit.invariants.statistics import Layout, statistics
from ihaudit.metrics.threads import one_thread
from ihaudit.release import FloatArray, IntArray, Release
from ihaudit.scheme import Knowledge

#: times that every candidate is encoded, by profile, and fewest
ROUNDS = {"quick": 6, "standard": 10, "full": 16}
FEWEST_ROUNDS = 3
#: rounds whose calls are held out, to weigh statistics and to say what to expect
HELD = 2
#: statistics are computed of about so many rows of own calls, and of so many of the release and of one call at most
ROWS = {"quick": 1300, "standard": 4000, "full": 10_000}
RELEASED = {"quick": 1500, "standard": 4000, "full": 10_000}
PER_CALL = 400
#: values of a row above which fewer are made
LARGE = 6144
#: most known pairs that are laid beside a call
KNOWN = 200


@attack("match")
@dataclass(frozen=True)
class Match:
    """Encodes all candidates several times, under keys of its own, and learns by which statistics an encoding is known.

    Statistics that keys leave alone (sorted values, moments, block energies, spectra, inner products, what is left when
    the mean of a call is taken off) are modelled as image plus noise, weighted on calls that were held out, and every
    row is assigned to a candidate so that all together fit best.  Rows that were recognised then serve as pairs under
    the release's own key, beside known ones, and the rest is matched by what they teach.
    """

    title: ClassVar[str] = "Who is who among candidates"
    reference: ClassVar[str] = "re-identification; moments and assignment after Carlini et al. 2021 (NeuraCrypt), PLDA"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES, Knowledge.ORACLE})
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        if view.candidates is None or view.encoder is None or len(view.candidates) < 4 or not len(view.encodings):
            raise NotApplicable("there are no candidates to choose from, or nothing to encode them with")
        with one_thread():
            return self._run(view, ctx)

    def _run(self, view: View, ctx: Context) -> AttackOutput:
        assert view.candidates is not None
        rng = ctx.rng("match")
        own = _encoded(view, ctx)
        released = _released(view, own, rng, ctx)
        ctx.progress("statistics", 0.4)
        model = _Model.learn(own, view, ctx)
        ctx.progress("match", 0.8)
        scores = model.score(released, view)
        scores = model.aligned(released, scores, view)
        chosen = assign(_per_row(scores))
        matches, sure = np.full(len(view.encodings), -1, np.int64), np.zeros(len(view.encodings))
        if model.fusion.weights:
            matches[released.index] = chosen
            margin = _per_row(scores)[np.arange(len(chosen)), np.maximum(chosen, 0)]
            sure[released.index] = np.where(chosen >= 0, margin, -np.inf)
        return AttackOutput(
            images=np.zeros((0, *view.candidates.shape[1:]), np.float32),
            matches=matches,
            match_scores=np.where(np.isfinite(sure), sure, -1e30),
            diagnostics=_diagnostics(model, own, view),
            sentence=_sentence(model, view),
        )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of one call.

    Attributes:
        encodings: float32 (R, ...).
        image: int64 (R,), the candidate that each is (mostly) made of; -1 where it is not known.
        beside: float32 (m, ...), rows of known images in the same call; known: these images.
        index: int64 (R,), which rows of the release these are.
    """

    encodings: FloatArray
    image: IntArray
    beside: FloatArray
    known: FloatArray
    index: IntArray


@dataclass(frozen=True, eq=False)
class _Own:
    """What the adversary encoded: calls by round, images to a call, rows to an image, and whether rows hold one."""

    rounds: list[list[_Rows]]
    size: int
    per_image: float
    single: bool


def _encoded(view: View, ctx: Context) -> _Own:
    """Every candidate in several calls of the release's size, with known images beside as in the release."""
    assert view.candidates is not None and view.encoder is not None
    pictures, rng = view.candidates, ctx.rng("own calls")
    count = len(pictures)
    labels = np.zeros(count, np.int64) if view.candidate_labels is None else view.candidate_labels
    first = rng.permutation(count)[: min(count, 32)]
    probe = view.encoder.encode(pictures[first], labels[first], seed=int(rng.integers(2**31)))
    if probe.encodings.shape[1:] != view.encodings.shape[1:]:
        raise NotApplicable("encodings of own calls have another shape than the release's")
    per_image = len(probe.encodings) / len(first)
    size = int(np.clip(round(len(view.encodings) / max(per_image, 1e-9)), 2, count))
    others, other_labels = _beside(view, rng)
    parts = -(-count // size)
    spent = parts * view.encoder.seconds(size + len(others))
    affordable = int(ctx.encoder_s / max(spent, 1e-6)) if np.isfinite(ctx.encoder_s) else ROUNDS[ctx.profile]
    rows = ROWS[ctx.profile] * min(1.0, LARGE / max(1, view.encodings[0].size))
    wanted = min(ROUNDS[ctx.profile], int(rows / max(1.0, parts * min(PER_CALL, size * per_image))))
    rounds = max(FEWEST_ROUNDS, min(max(wanted, FEWEST_ROUNDS + 1), affordable))
    calls, who = [], []
    for _ in range(rounds):
        order = rng.permutation(count)
        order = np.r_[order, order[: parts * size - count]]
        for part in np.split(order, parts):
            images = np.concatenate([pictures[part], others]) if len(others) else pictures[part]
            calls.append((images, np.r_[labels[part], other_labels], int(rng.integers(2**31))))
            who.append(part)
    made, single = [], True
    for i, part in enumerate(who):
        release = view.encoder.encode_many([calls[i]])[0]
        if release.encodings.shape[1:] != view.encodings.shape[1:]:
            raise NotApplicable("encodings change their shape from call to call")
        image, alone = _dominant(release, len(calls[i][0]))
        single &= alone
        made.append(_rows_of_call(release, image, part, others, rng))
        ctx.progress("encode candidates", 0.4 * (i + 1) / len(who))
    return _Own([made[i : i + parts] for i in range(0, len(made), parts)], size, per_image, single)


def _beside(view: View, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    """As many similar images as there are known pairs: they go into own calls as known images."""
    assert view.candidates is not None
    wanted = 0 if view.pairs is None else min(KNOWN, len(view.pairs.images))
    if view.similar is None or not wanted:
        return view.candidates[:0], np.zeros(0, np.int64)
    some = rng.permutation(len(view.similar))[:wanted]
    labels = np.zeros(len(some), np.int64) if view.similar_labels is None else view.similar_labels[some]
    return view.similar[some], labels


def _dominant(release: Release, n: int) -> tuple[NDArray[np.int64], bool]:
    """int64 (R,), the image of a call of `n` that each row is mostly made of, -1 where unknown; and whether alone."""
    rows = len(release.encodings)
    if release.provenance is not None:
        sources = np.asarray(release.provenance.sources).reshape(rows, -1)
        if (sources >= 0).any():
            weight = (
                np.ones(sources.shape)
                if release.provenance.coefficients is None
                else np.abs(release.provenance.coefficients).reshape(rows, -1)
            )
            top = np.where(sources >= 0, weight, -1.0).argmax(1)
            return sources[np.arange(rows), top].astype(np.int64), bool((np.sum(sources >= 0, axis=1) <= 1).all())
    if rows % n:
        raise NotApplicable("which image an encoding is made of is not known: the scheme states no provenance")
    return np.arange(rows, dtype=np.int64) % n, True


def _rows_of_call(
    release: Release, image: NDArray[np.int64], part: IntArray, others: FloatArray, rng: np.random.Generator
) -> _Rows:
    encodings, n = np.asarray(release.encodings, np.float32), len(part)
    ours = np.flatnonzero((image >= 0) & (image < n))
    if len(ours) > PER_CALL:
        ours = np.sort(rng.permutation(ours)[:PER_CALL])
    theirs = np.flatnonzero(image >= n)[:KNOWN]
    known = others[image[theirs] - n] if len(theirs) else others[:0]
    return _Rows(encodings[ours], part[image[ours]], encodings[theirs], known, ours)


def _released(view: View, own: _Own, rng: np.random.Generator, ctx: Context) -> _Rows:
    count = len(view.encodings)
    index = np.arange(count)
    if count > RELEASED[ctx.profile]:
        index = np.sort(rng.permutation(count)[: RELEASED[ctx.profile]])
    encodings = np.asarray(view.encodings[index], np.float32)
    nothing = np.full(len(index), -1, np.int64)
    if view.pairs is None or not len(view.pairs.images):
        assert view.candidates is not None
        return _Rows(encodings, nothing, encodings[:0], view.candidates[:0], index)
    beside = np.asarray(view.pairs.encodings[:KNOWN], np.float32)
    return _Rows(encodings, nothing, beside, view.pairs.images[:KNOWN], index)


#: numbers of an encoding up to which they are also compared as they are: a call's mean and deviation would blur them
FEW_NUMBERS, AS_IT_IS = 64, "the numbers as they are"


def _standardised(rows: _Rows, layout: Layout, only: Mapping[str, object] | None = None) -> dict[str, NDArray[Any]]:
    """Statistics of a call, each number standardised over its rows: what all have in common is the key's."""
    found = statistics(rows.encodings, layout, batch=True, beside=rows.beside, only=only)
    out = {}
    for name, f in found.items():
        deviation = f.std(0) + 1e-6 * np.abs(f).max(initial=0.0) + 1e-9
        out[name] = ((f - f.mean(0)) / deviation).astype(np.float32)
    flat = np.asarray(rows.encodings, np.float32).reshape(len(rows.encodings), -1)
    if flat.shape[1] <= FEW_NUMBERS and (only is None or AS_IT_IS in only):
        out[AS_IT_IS] = flat
    return out


@dataclass(frozen=True, eq=False)
class _Model:
    """What was learned from own calls.

    Attributes:
        layout: of encodings.
        bank: matched filters where encodings are shaped like images.
        groups: models of the statistics that carry weight; templates, counts: (M, d) and (M,) of the candidates.
        fusion: weights of groups and filters.
        codes: of images, for `align`; candidate_codes: float64 (M, q), the candidates'.
        key: matching under the key helps on held-out calls.
        expected: share of rows matched on held-out calls; hits, trials behind it.
    """

    layout: Layout
    bank: Bank
    scaled: FloatArray
    groups: dict[str, Group]
    templates: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    fusion: Fusion
    codes: Codes
    candidate_codes: NDArray[np.float64]
    key: bool = False
    expected: float = 0.0

    @classmethod
    def learn(cls, own: _Own, view: View, ctx: Context) -> _Model:
        """On all calls; groups are weighted on the last rounds, whose expectation is each from the other's weights."""
        assert view.candidates is not None
        calls = [c for r in own.rounds for c in r]
        layout = Layout.of(calls[0].encodings)
        low, high = view.image_range
        scaled = np.asarray(low + (high - low) * view.candidates, np.float32)
        bank = Bank.fitting(view.encodings.shape[1:], view.candidates.shape[1:])
        tables = [_standardised(c, layout) for c in calls]
        held = sum(len(r) for r in own.rounds[-min(HELD, len(own.rounds) - 2) :])
        first, last = list(range(len(calls) - held)), list(range(len(calls) - held, len(calls)))
        names = [n for n in tables[0] if all(n in t for t in tables)]
        groups, templates = _fit(tables, calls, first, names, len(scaled))
        names = list(groups)
        tables = [{n: t[n] for n in names} for t in tables]  # what tells nothing is not held
        codes = Codes.of(view.candidates)
        bare = cls(layout, bank, scaled, groups, templates, Fusion({}, {}), codes, codes(view.candidates))
        odds = [bare.odds(tables[i], calls[i]) for i in last]
        half = len(last) // 2
        halves = [list(range(half)) or [0], list(range(half, len(last)))]
        hits, direct, trials = 0, 0, 0
        for this, other in (halves, halves[::-1]):
            fusion = _fuse([odds[i] for i in this], [calls[last[i]] for i in this])
            for i in other if fusion.weights else ():
                rows = calls[last[i]]
                scores = fusion.score(odds[i])
                direct += _right(scores, rows)
                hits += _right(bare._align(rows, scores, own.single), rows)
                trials += len(np.unique(rows.image))
        fusion = _fuse(odds, [calls[i] for i in last])
        used = [n for n in names if n in fusion.weights]
        groups, templates = _fit(tables, calls, first + last, used, len(scaled))
        lost = [n for n in used if n not in groups]
        fusion = Fusion({n: w for n, w in fusion.weights.items() if n not in lost}, fusion.information)
        key = own.single and hits > direct
        expected = (hits if key else direct) / max(1, trials)
        return cls(layout, bank, scaled, groups, templates, fusion, codes, bare.candidate_codes, key, expected)

    def odds(self, table: Mapping[str, NDArray[Any]], rows: _Rows) -> dict[str, NDArray[np.float64]]:
        """Log odds float64 (R, M) by group, and correlations through every matched filter, of a call."""
        out = {}
        for name, g in self.groups.items():
            out[name] = g.odds(g.reduce(table[name]), *self.templates[name])
        wanted = [n for n in self.bank.filters if not self.fusion.weights or f"filter {n}" in self.fusion.weights]
        bank = self.bank.only(wanted)
        if len(bank):
            theirs, mine = bank.views(self.scaled), bank.views(rows.encodings)
            for name, a, b in zip(bank.filters, mine, theirs, strict=True):
                # A correlation over D values has deviation 1 / sqrt(D) where there is nothing to see.
                out[f"filter {name}"] = (a @ b.T).astype(np.float64) * np.sqrt(a.shape[1])
        return out

    def score(self, rows: _Rows, view: View) -> NDArray[np.float64]:
        """Joined scores of the release's rows with every candidate."""
        table = _standardised(rows, self.layout, self.groups) if self.groups else {}
        odds = self.odds(table, rows)
        if not self.fusion.weights:
            return np.zeros((len(rows.encodings), len(self.scaled)))
        return self.fusion.score(odds)

    def aligned(self, rows: _Rows, scores: NDArray[np.float64], view: View) -> NDArray[np.float64]:
        """With what the key shows, where that helped on held-out calls."""
        return self._align(rows, scores, True) if self.key and self.fusion.weights else scores

    def _align(self, rows: _Rows, scores: NDArray[np.float64], single: bool) -> NDArray[np.float64]:
        if not single:
            return scores
        known = Known(rows.beside, self.codes(rows.known)) if len(rows.known) else None
        return align(rows.encodings, scores, self.candidate_codes, known)


def _fit(
    tables: list[dict[str, NDArray[Any]]], calls: list[_Rows], which: list[int], names: list[str], count: int
) -> tuple[dict[str, Group], dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]]:
    images = np.concatenate([calls[i].image for i in which])
    groups, templates = {}, {}
    for name in names:
        f = np.concatenate([tables[i][name] for i in which])
        g = fit_group(f, images)
        if g is not None:
            groups[name], templates[name] = g, means(g.reduce(f), images, count)
    return groups, templates


def _fuse(odds: list[dict[str, NDArray[np.float64]]], calls: list[_Rows]) -> Fusion:
    return fuse(_Joined(odds), np.concatenate([c.image for c in calls]))


@dataclass(frozen=True, eq=False)
class _Joined(Mapping[str, NDArray[np.float64]]):
    """Log odds of some calls after one another, put together as they are asked for: all groups are hundreds of MB."""

    of: Sequence[Mapping[str, NDArray[np.float64]]]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return np.concatenate([o[name] for o in self.of])

    def __iter__(self) -> Iterator[str]:
        return iter(self.of[0])

    def __len__(self) -> int:
        return len(self.of[0])


def _per_row(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores as log probabilities over the candidates, so that rows can be compared."""
    top = scores.max(1, keepdims=True)
    return np.asarray(scores - top - np.log(np.exp(scores - top).sum(1, keepdims=True)))


def _right(scores: NDArray[np.float64], rows: _Rows) -> int:
    """How many images of a call get a row of theirs."""
    chosen = assign(_per_row(scores))
    return len(np.unique(rows.image[chosen == rows.image]))


def _diagnostics(model: _Model, own: _Own, view: View) -> dict[str, Any]:
    assert view.candidates is not None
    told = sorted(model.fusion.weights, key=lambda n: -model.fusion.information[n])
    return {
        "expected_reid": round(model.expected, 3),
        "encodings_of_each_candidate": len(own.rounds),
        "images_to_a_call": own.size,
        "matched_under_the_key": model.key,
        "tables": {
            "Statistics that tell whose an encoding is": {
                "columns": ["statistic", "nats per row, alone, on held-out calls", "of at most"],
                "rows": [
                    [n, round(model.fusion.information[n], 2), round(float(np.log(len(view.candidates))), 2)]
                    for n in told
                ],
            }
        },
    }


def _sentence(model: _Model, view: View) -> str:
    assert view.candidates is not None
    if not model.fusion.weights:
        return f"No statistic of an encoding tells which of {len(view.candidates)} candidates it is made of."
    best = max(model.fusion.weights, key=lambda n: model.fusion.information[n])
    return (
        f"Statistics that the key leaves alone ({best} above all) match encodings to {len(view.candidates)} candidates"
        f"; on own calls that were held out {model.expected:.0%} were matched rightly."
    )
