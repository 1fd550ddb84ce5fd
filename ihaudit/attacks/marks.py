"""Marks: which candidate is whose, by what of all that is released is the same in every encoding of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.identity.alignment import assign
from ihaudit.attacks.numerics.released.channels import Channel, as_numbers, channels, flat, forms
from ihaudit.attacks.numerics.released.made import made_of
from ihaudit.attacks.numerics.released.steady import coarse, fit_alike, fit_bits, fit_numbers, sure, worth
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.threads import one_thread
from ihaudit.release import Release
from ihaudit.scheme import Knowledge

#: Times that every candidate is encoded, the last of which is held out.
ROUNDS = 4
#: So many fewer candidates in the last call: what grows with the number of images is theirs.
FEWER = 7
#: Candidates at least.
LEAST = 16
#: Standard errors by which held-out rows must be more like their own image than like others of its class.
SHOWN = 6.0
#: Or so many of them that one image stands out for, the right one in `ENOUGH` of these.
SURE = 5
#: Share of held-out rows that are told rightly from which nothing more is tried.
ENOUGH = 0.9
#: Values of a row at most that are looked at under other names, and things made of parts that are read.
MAX_NAMED, READ = 60_000, 4

Rows = NDArray[Any]
Scores = NDArray[np.float64]


@attack("marks")
@dataclass(frozen=True)
class Marks:
    """Encodes all candidates several times, under keys of its own, and looks for what is the same each time.

    In every part of a release (encodings, labels, further arrays, what parts make together) those bits are found that
    follow the image and not the key, and a model of numbers as an image's own and noise is fitted.  Rows are also
    compared up to a renaming of their values.  Calls that are held out choose the part; every image of the release is
    then the candidate whose marks it has.
    """

    title: ClassVar[str] = "Who is who, by marks in all that is released"
    reference: ClassVar[str] = "design: what a map without a fresh key makes of an image tells it from others"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES, Knowledge.ORACLE})
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")
    control: ClassVar[bool] = False  # their releases hold nothing but encodings and labels

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        if view.candidates is None or view.encoder is None or len(view.candidates) < LEAST or not len(view.encodings):
            raise NotApplicable("there are no candidates to choose from, or nothing to encode them with")
        with one_thread():
            return self._run(view, ctx)

    def _run(self, view: View, ctx: Context) -> AttackOutput:
        assert view.candidates is not None
        own = _encoded(view, ctx)
        if any(r.provenance is None and len(r.encodings) % len(w) for r, w in zip(own.calls, own.who, strict=True)):
            raise NotApplicable("which row is made of which image is not known")
        target = Release(view.encodings, view.labels, view.image_range, view.extra, raw=view.raw)
        beside = view.pairs.release if view.pairs is not None else None
        found = channels(own.calls, [len(w) for w in own.who], target, beside)
        best: _Told | None = None
        for channel in _all(found, own, view):
            ctx.progress("compare", None)
            for words, form, fit in _forms(channel):
                told = own.told(form, fit)
                if told is not None and (best is None or told.share > best.share):
                    best = _Told(told.share, told.by_chance, told.scores, channel, words)
            if best is not None and best.share > ENOUGH:
                break
        return _answer(best, view, len(view.candidates))


@dataclass(frozen=True, eq=False)
class _Told:
    """How well held-out rows were told: share of them, by chance, and scores (n, M) of the release's images."""

    share: float
    by_chance: float
    scores: Scores
    channel: Channel | None = None
    words: str = ""


@dataclass(frozen=True, eq=False)
class _Own:
    """What the adversary encoded.

    Attributes:
        calls: what was released; who: int64 (n,), the candidates of each call, in its order.
        labels: int64 (M,), what candidates show.
    """

    calls: list[Release]
    who: list[NDArray[np.int64]]
    labels: NDArray[np.int64]

    def rounds(self, calls: Sequence[Rows]) -> Rows:
        """(R - 1, M, ...), the rows of all calls but the last, by candidate."""
        return np.stack([rows[np.argsort(w)] for rows, w in zip(calls[:-1], self.who[:-1], strict=True)])

    def told(self, channel: Channel, fit: Callable[[Rows], Any]) -> _Told | None:
        """How well a model tells the rows that are held out; None where no better than by chance."""
        model = fit(self.rounds(channel.calls))
        if model is None:
            return None
        scores, own = model.scores(channel.calls[-1]), self.who[-1]
        among = self.labels[own][:, None] == self.labels[None]  # what shows the class is no news
        mine = scores[np.arange(len(own)), own][:, None]
        others = among.sum(1) - 1
        below = (((scores < mine) & among).sum(1) + 0.5 * (((scores == mine) & among).sum(1) - 1))[others > 0]
        place = below / others[others > 0]
        known = sure(scores, among)
        right = known[known >= 0] == own[known >= 0]
        some = len(right) >= SURE and right.mean() >= ENOUGH
        if len(place) < LEAST // 2 or not (some or place.mean() - 0.5 > SHOWN * (12 * len(place)) ** -0.5):
            return None
        told = float((np.where(among, scores, -np.inf).argmax(1) == own).mean())
        return _Told(told, float((1 / (others + 1)).mean()), model.scores(channel.target))


def _encoded(view: View, ctx: Context) -> _Own:
    """All candidates in several calls, each in an order of its own."""
    assert view.candidates is not None and view.encoder is not None
    pictures, rng, count = view.candidates, ctx.rng("own calls"), len(view.candidates)
    labels = np.zeros(count, np.int64) if view.candidate_labels is None else np.asarray(view.candidate_labels)
    if ROUNDS * view.encoder.seconds(count) > ctx.encoder_s:
        raise NotApplicable("the scheme takes too long to encode all candidates several times")
    who = [rng.permutation(count)[: count - (FEWER if i == ROUNDS - 1 else 0)] for i in range(ROUNDS)]
    asked = [(pictures[w], labels[w], int(rng.integers(2**31))) for w in who]
    return _Own(view.encoder.encode_many(asked), who, labels)


def _all(found: list[Channel], own: _Own, view: View) -> Iterator[Channel]:
    """Parts, and of what is made of them that which is the same in two encodings of an image."""
    yield from found
    shape = view.image_shape or view.encodings.shape[1:]
    if len(shape) != 3:
        return

    def looked() -> Iterator[Channel]:
        first = [np.argsort(w) for w in own.who[:2]]
        for made in made_of(found, found, tuple(shape)):
            one, other = (rows[order] for rows, order in zip(made.calls(few=True, count=2), first, strict=True))
            if worth(one, other) and not any(_steady(c, own) for c in made.sources):
                yield made.channel()

    yield from islice(looked(), READ)


def _steady(channel: Channel, own: _Own) -> bool:
    one, other = (rows[np.argsort(w)] for rows, w in zip(channel.calls[:2], own.who[:2], strict=True))
    return worth(one, other)


def _forms(channel: Channel) -> Iterator[tuple[str, Channel, Callable[[Rows], Any]]]:
    """Words, forms of a channel, and what is fitted to each."""
    for form in forms(channel):
        yield "bits", form, fit_bits
    for form in forms(channel):
        yield "bits of some images", form, fit_alike
    like = channel.stacked
    if channel.target.dtype.kind == "f":
        yield "values in 256 steps", channel.same(lambda a: coarse(a, like), channel.name), fit_bits
    numbers = as_numbers(channel)
    size = int(np.prod(channel.target.shape[1:]))
    if numbers.target.dtype.kind in "iu" and 2 <= size <= MAX_NAMED:
        yield "values under other names", numbers.same(_renamed, channel.name), fit_bits
    yield "numbers", channel.same(_plain, channel.name), fit_numbers


def _plain(a: Rows) -> NDArray[np.float32]:
    x = flat(a).astype(np.float64)
    far = float(np.abs(x[np.isfinite(x)]).max(initial=0)) or 1.0
    return np.nan_to_num(x / (far if far > 1e30 else 1.0), posinf=0.0, neginf=0.0).astype(np.float32)


def _renamed(a: Rows) -> NDArray[np.uint8]:
    """Bytes of rows whose values are numbered as they first occur: the same whatever table they went through."""
    x = flat(a)
    out = np.zeros(x.shape, np.uint16)
    for row, seen in zip(out, x, strict=True):
        _, first, inverse = np.unique(seen, return_index=True, return_inverse=True)
        row[:] = np.argsort(np.argsort(first, kind="stable"), kind="stable")[inverse.reshape(-1)]
    return out.view(np.uint8)


def _answer(best: _Told | None, view: View, count: int) -> AttackOutput:
    rows = len(view.encodings)
    matches, sure = np.full(rows, -1, np.int64), np.full(rows, -1e30)
    shape = view.image_shape or view.encodings.shape[1:]
    nothing = np.zeros((0, *shape), np.float32)
    if best is None or best.channel is None:
        sentence = f"Nothing that is released tells which of {count} candidates an image is, beyond its class."
        return AttackOutput(nothing, matches=matches, match_scores=sure, sentence=sentence)
    scores = best.scores
    if view.pairs is not None and not best.channel.rows:  # an array of the whole call: known images are the last
        scores = scores[: max(1, len(scores) - len(view.pairs.images))]
    images = len(scores)
    if rows % images == 0:
        chosen = assign(scores)
        margin = scores[np.arange(images), np.maximum(chosen, 0)] - np.median(scores, axis=1)
        at = np.arange(rows) % images
        matches, sure = chosen[at], np.where(chosen[at] >= 0, margin[at], -1e30)
    sentence = (
        f"Images are known by {best.channel.name} ({best.words}), which is much the same in every encoding of one: on "
        f"own calls that were held out {best.share:.0%} were told from the other candidates of their class, "
        f"{best.by_chance:.0%} by chance."
    )
    about = {"part": best.channel.name, "way": best.words, "expected": round(best.share, 3)}
    return AttackOutput(nothing, matches=matches, match_scores=sure, sentence=sentence, diagnostics=about)
