"""What a scheme does to all images of a call together: values that change places, rows that are mixed by fixed numbers.

Calls of as many images as the release was made of tell how, wherever it is the same in every call of that size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.released.channels import Channel
from ihaudit.attacks.numerics.released.fields import parts
from ihaudit.attacks.numerics.released.mixed_rows import RowsInverse, calls_needed, unmixed
from ihaudit.attacks.numerics.released.read import Known, Reading, shown
from ihaudit.attacks.numerics.released.seeded import fit_seeds, seeds_of
from ihaudit.attacks.numerics.released.shared_pads import LEAST, fit_pads
from ihaudit.attacks.numerics.released.whole_call import CALLS as PLACES
from ihaudit.attacks.numerics.released.whole_call import parts_of, put_back, rearranged
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import SchemeError
from ihaudit.metrics.ssim import ssim
from ihaudit.release import Release

#: Rows of a call at most at a first look, and share of the SSIM of held-out images that known ones must come back with.
LOOKED, BACK = 1200, 0.8
#: Images of a group that are encoded alone, and so many fewer of the last.
ALONE, FEWER = 50, 7


def moved(view: View, images: list[NDArray[np.float32]], calls: list[Release], ctx: Context) -> AttackOutput | None:
    """Images whose values changed places with those of others, in one order for all calls; None where none did."""
    if not calls:
        return None
    names = [name for name, part in parts_of(calls[0]).items() if rearranged(images[0], part)]
    whole = whole_of(view)
    count = count_of(images, calls, whole)
    again = _again(view, count, PLACES + 1, "places", ctx) if names else None
    if again is None:
        return None
    there, target = [parts_of(release) for release in again.calls], parts_of(whole)
    for name in names:
        if name not in target or any(name not in p for p in there):
            continue
        answer = put_back(again.images, [p[name] for p in there], target[name])
        if answer is not None:
            told = f"All values of a call stand in {name}, in one order that is the same in every call of"
            sentence = f"{told} {count} images: {PLACES} calls tell it."
            return _answered(answer, view, 0.95, sentence, {"part": name, "calls": PLACES + 1})
    return None


def mixed(
    view: View, oracle: Known, images: list[NDArray[np.float32]], calls: list[Release], reached: float, ctx: Context
) -> AttackOutput | None:
    """Images that one linear map mixes with others of their call, the same in all calls; None where none does.

    Calls that were made anyway say whether there is such a map, calls as large as the release's tell it, of which one
    is held out, and known images of the release itself must come back.

    Args:
        view: the release.
        oracle: all known images of `calls`, one below the other.
        images, calls: of the oracle, the last smaller than the others.
        reached: SSIM that must be passed, on held-out images.
        ctx: for choices.
    """
    first = [i for i, x in enumerate(images) if len(x) == len(images[0])]
    labels = np.split(oracle.labels, np.cumsum([len(x) for x in images])[:-1])
    looked = _Calls([images[i] for i in first], [labels[i] for i in first], [calls[i] for i in first])
    whole = whole_of(view)
    there, target = [parts(r) for r in looked.calls], parts(whole)
    for name in target:
        if any(name not in p or not p[name].ndim or len(p[name]) > LOOKED for p in there):
            continue
        if _told(looked, [p[name] for p in there], oracle) is None:
            continue
        needed = calls_needed(target[name], images[0].shape[1:])
        count = count_of(images, calls, whole)
        again = _again(view, count, needed + 1, "rows", ctx) if needed else None
        if again is None:
            continue
        told = _told(again, [parts(r).get(name, np.zeros(0)) for r in again.calls], oracle)
        if told is None or told[1] <= reached:
            continue
        inverse, expected, flat = told
        answer = inverse(target[name])
        if answer is None or len(answer) != count:
            continue
        beside = answer[_own(view, count) :]
        known = np.zeros((0,)) if view.pairs is None else np.asarray(view.pairs.images, np.float32)
        if len(beside) == len(known) > 0 and ssim(beside, known).mean() < BACK * expected:
            continue
        sentence = (
            f"One linear map, the same in every call of {count} images, mixes the images of a call in {name}: {needed} "
            f"calls tell it (SSIM {expected:.2f} in one held out, the mean image of their class {flat:.2f})."
        )
        facts = {"part": name, "calls": needed + 1, "expected": expected, "mean_image": flat}
        return _answered(answer, view, float(np.clip(expected, 0, 1)), sentence, facts)
    return None


def padded(view: View, oracle: Known, found: Sequence[Channel], count: int, ctx: Context) -> Reading | None:
    """Rows read that are under pads of which several rows have the same (see `shared_pads`), or None.

    Pads are learned from calls that were made anyway, or from known rows of the release itself; one more call as large
    as the release's says which pad each place of a call has.

    Args:
        view: the release.
        oracle: the known images of those calls.
        found: the parts of the release.
        count: images of the release's call, or 0.
        ctx: for choices.
    """
    for channel in found:
        if not channel.rows or channel.part == "labels" or channel.made:
            continue
        sources = [(oracle.images, oracle.labels, channel.stacked, oracle.held, oracle.words)]
        if channel.pairs is not None and view.pairs is not None and len(view.pairs.images) >= 2 * LEAST:
            every = np.arange(len(view.pairs.images))
            labels = np.zeros(len(every), np.int64) if view.pairs.labels is None else view.pairs.labels
            known = np.asarray(view.pairs.images, np.float32)
            sources.append((known, labels, channel.pairs, every[::4], "known images of the release"))
        for images, labels, rows, held, words in sources:
            fit = np.setdiff1d(np.arange(len(images)), held)
            inverse = fit_pads(images[fit], rows[fit])
            if inverse is None:
                continue
            about = Known(images, labels, held, words, oracle.similar, oracle.rng, oracle.similar_labels)
            reached = ssim(inverse(rows[held]), images[held])
            if not shown(reached - about.flat):
                continue
            own = None
            again = _again(view, count, 1, "pads", ctx)
            if again is not None and (more := parts(again.calls[0]).get(channel.part)) is not None:
                pads = inverse.of(again.images[0], more) if len(more) == count else None
                own = None if pads is None else pads[: len(channel.target)]
                inverse = inverse if pads is None else inverse.with_more(pads)
            answer = inverse(channel.target, own)
            flat, expected = float(about.flat.mean()), float(reached.mean())
            return Reading(channel, inverse.words, expected, flat, answer, f"{len(images)} {words}")
    return None


def seeded(
    view: View,
    oracle: Known,
    images: list[NDArray[np.float32]],
    calls: list[Release],
    found: Sequence[Channel],
    count: int,
) -> Reading | None:
    """Rows read whose pads or orders were drawn from numbers beside them (see the module `seeded`), or None.

    Args:
        view: the release.
        oracle: the known images of `calls`, the last of which is held out.
        images, calls: of the oracle.
        found: the parts of the release.
        count: images of the release's call.
    """
    seeds = seeds_of(whole_of(view).extra, count)
    for channel in found if seeds else ():
        if not channel.rows or channel.part == "labels" or channel.made:
            continue
        inverse = fit_seeds(images[0], channel.calls[0], seeds_of(calls[0].extra, len(images[0])))
        if inverse is None or inverse.name not in seeds:
            continue
        beside = seeds_of(calls[-1].extra, len(images[-1])).get(inverse.name)
        back = None if beside is None else inverse(channel.calls[-1], beside, len(images[-1]))
        answer = inverse(channel.target, seeds[inverse.name], count)
        if back is None or answer is None:
            continue
        reached = ssim(back, images[-1])
        if shown(reached - oracle.flat):
            words = f"drawn from {inverse.name!r} by {inverse.words}"
            expected, flat = float(reached.mean()), float(oracle.flat.mean())
            return Reading(channel, words, expected, flat, answer, f"{len(oracle.images)} {oracle.words}")
    return None


@dataclass(frozen=True, eq=False)
class _Calls:
    """Calls of one size: images float32 (n, H, W, C) and labels int64 (n,) of each, and what was released."""

    images: list[NDArray[np.float32]]
    labels: list[NDArray[np.int64]]
    calls: list[Release]


def _told(calls: _Calls, rows: Sequence[NDArray[Any]], oracle: Known) -> tuple[RowsInverse, float, float] | None:
    """The inverse of a map of rows, with the SSIM of the last call and that of the mean image of a class, or None."""
    if len(rows) < 3 or any(not r.ndim for r in rows) or (found := unmixed(calls.images, rows)) is None:
        return None
    answer, n = found(rows[-1]), len(calls.images[-1])
    if answer is None:
        return None
    every = np.concatenate(calls.images)
    held = np.arange(len(every) - n, len(every))
    known = Known(
        every, np.concatenate(calls.labels), held, "", oracle.similar, oracle.rng, oracle.similar_labels
    )  # for what the mean image of a class reaches
    reached = ssim(answer, calls.images[-1])
    if n < 2 or not shown(reached - known.flat):
        return None
    return found, float(reached.mean()), float(known.flat.mean())


def whole_of(view: View) -> Release:
    """All rows of the call that the release is of, those of known images behind the others, as they were encoded."""
    if view.pairs is None:
        return Release(view.encodings, None, view.image_range, view.extra)
    beside = view.pairs.release.extra if view.pairs.release is not None else {}
    extra = {
        k: np.concatenate([v, beside[k]])
        if k in beside and v.ndim and len(v) == len(view.encodings) and len(beside[k]) == len(view.pairs.encodings)
        else v
        for k, v in view.extra.items()
    }
    return Release(np.concatenate([view.encodings, view.pairs.encodings]), None, view.image_range, extra)


def count_of(images: list[NDArray[np.float32]], calls: list[Release], whole: Release) -> int:
    """Of how many images a release is, by how many rows calls of two sizes have; 0 where that does not say."""
    rows = [len(r.encodings) for r in calls]
    each = (rows[0] - rows[-1]) / max(1, len(images[0]) - len(images[-1]))
    count = (len(whole.encodings) - (rows[0] - each * len(images[0]))) / each if each > 0 else 0.5
    return 0 if count % 1 else int(count)


def _again(view: View, count: int, number: int, purpose: str, ctx: Context) -> _Calls | None:
    """Calls of `count` similar images each; None where there are none, or they would take too long."""
    if (
        view.encoder is None
        or view.similar is None
        or count < 1
        or number * view.encoder.seconds(count) > ctx.encoder_s
    ):
        return None
    rng = ctx.rng(purpose)
    labels = np.zeros(len(view.similar), np.int64) if view.similar_labels is None else view.similar_labels
    picks = [rng.integers(len(view.similar), size=count) for _ in range(number)]
    asked = [(view.similar[p], labels[p], int(rng.integers(2**31))) for p in picks]
    calls = view.encoder.encode_many(asked)
    return _Calls([np.asarray(x, np.float32) for x, _, _ in asked], [y for _, y, _ in asked], calls)


def alone(
    view: View, ctx: Context, groups: int
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.int64]], list[Release]] | None:
    """Similar images encoded one in a call, put together in groups as if each had been a call, the last a smaller one.

    Whatever rows are in an order of their own, those of a call of one image are its own.  None where such calls are
    refused, take too long, or differ in form.
    """
    count = groups * ALONE
    if view.encoder is None or view.similar is None or len(view.similar) < count:
        return None
    rng = ctx.rng("one by one")
    picks = rng.permutation(len(view.similar))[:count]
    known = np.zeros(len(view.similar), np.int64) if view.similar_labels is None else view.similar_labels
    asked = [(view.similar[i : i + 1], known[i : i + 1], int(rng.integers(2**31))) for i in picks]
    try:
        made = view.encoder.encode_many(asked[:1])
        if count * view.encoder.seconds(1) > ctx.encoder_s or len(made[0].encodings) != 1:
            return None
        made += view.encoder.encode_many(asked[1:])
    except SchemeError:
        return None
    images, labels, calls = [], [], []
    for at in np.split(np.arange(count - FEWER), np.arange(1, groups) * ALONE):
        some = [made[i] for i in at]
        if len({r.encodings.shape for r in some}) > 1:
            return None
        extra = {}
        for name in set.intersection(*(set(r.extra) for r in some)):
            values = [r.extra[name] for r in some]
            if len({(v.shape, v.dtype) for v in values}) == 1 and values[0].shape[:1] == (1,):
                extra[name] = np.concatenate(values)
        raw = {"encodings": np.concatenate([r.raw.get("encodings", r.encodings) for r in some])}
        calls.append(Release(np.concatenate([r.encodings for r in some]), None, some[0].image_range, extra, raw=raw))
        images.append(np.asarray(view.similar[picks[at]], np.float32))
        labels.append(known[picks[at]])
    return images, labels, calls


def _own(view: View, count: int) -> int:
    """How many of the images of the call are not known ones."""
    known = 0 if view.pairs is None else len(view.pairs.encodings)
    return round(count * len(view.encodings) / (len(view.encodings) + known))


def _answered(
    answer: NDArray[np.float32], view: View, confidence: float, sentence: str, facts: dict[str, Any]
) -> AttackOutput:
    """The images of the release, without the known ones behind them."""
    ours = answer[: _own(view, len(answer))]
    sure = np.full(len(ours), confidence, np.float32)
    return AttackOutput(images=ours, confidence=sure, diagnostics=facts, sentence=sentence)
