"""Everything that is released: bits of numbers, labels, further arrays, several rows of an image taken together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.known import CALLS
from ihaudit.attacks.numerics.released.channels import Channel, channels, joint, unchained
from ihaudit.attacks.numerics.released.fields import MAX_ROWS
from ihaudit.attacks.numerics.released.joined import fit_joined
from ihaudit.attacks.numerics.released.keyed_shifts import as_codes, fit_shifts
from ihaudit.attacks.numerics.released.made import made_of
from ihaudit.attacks.numerics.released.of_call import OfCall, of_call
from ihaudit.attacks.numerics.released.read import ENOUGH, Known, Reading, read, shown
from ihaudit.attacks.numerics.released.screen import Screen
from ihaudit.attacks.numerics.released.shuffled import pictures_among
from ihaudit.attacks.numerics.released.tables import lowest_bits
from ihaudit.attacks.together import alone, count_of, mixed, moved, padded, seeded, whole_of
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.alignment import AMBIGUITIES
from ihaudit.metrics.ssim import ssim
from ihaudit.metrics.threads import one_thread
from ihaudit.release import Release

#: images in each call of the oracle by profile
PER_CALL = {"quick": 60, "standard": 120, "full": 300}
#: so many fewer in the last call: what grows with the number of images is theirs
FEWER = 7
#: known records from which anything is learned at least
LEAST = 40
#: SSIM from which no more is made of parts, and how many of what is made of numbers is read, the strongest first
PLENTY, READ = 0.6, 4
#: SSIM below which a part may say more together with another
LITTLE = 0.5
#: share of the lowest bits of pixels that must stand in bytes less their neighbours for these to be read
ENOUGH_BITS = 0.1
#: correlation from which an answer is one of the known images
SAME = 0.98


@attack("everything")
@dataclass(frozen=True)
class Everything:
    """Learns, from images that it encodes itself, to read images off every part of a release.

    Parts are the bits of encodings below those that images need, labels, further arrays (their bytes, unpacked where
    they are compressed, and their names), and what two parts, or several rows of one image, make together.  Bits that
    are the images' own, in whatever order, are looked up; else maps are fitted where a test says that a part carries
    anything.  Whole calls are held out, and nothing is answered that is no better than the mean image of a class.
    """

    title: ClassVar[str] = "Everything that is released, beside the pixels"
    reference: ClassVar[str] = "design: what a scheme returns is audited as a whole"
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")
    control: ClassVar[bool] = False  # their releases hold nothing but encodings and labels

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        target = Release(view.encodings, view.labels, view.image_range, view.extra, raw=view.raw)
        with one_thread():
            oracle, images, calls = _asked(view, ctx)
            beside = view.pairs.release if view.pairs is not None else None
            found = channels(calls, [len(x) for x in images], target, beside)
            if not found and (whole := _together(view, oracle, images, calls, 0.0, ctx)) is not None:
                return whole
            if not found:
                raise NotApplicable("no part of the release can be dealt out to images")
            tried: dict[str, float | None] = {}
            best: Reading | None = None
            screen = Screen(oracle.images, oracle.labels, oracle.held, ctx.rng("screen"))
            known = None if view.pairs is None else np.asarray(view.pairs.images, np.float32)
            counts = [len(x) for x in images]
            beyond = partial(of_call, calls, counts, whole_of(view), images[0].shape[1:], images, known)
            for channel in _all(found, tried, screen, view, beyond):
                ctx.progress("read", None)
                for reading in _readings(channel, view, oracle, ctx):
                    score = None if reading is None else round(reading.expected, 3)
                    if (score or -1.0) >= (tried.get(channel.name) or -1.0):
                        tried[channel.name] = score
                    if reading is not None and (
                        best is None or (reading.faint, -reading.expected) < (best.faint, -best.expected)
                    ):
                        best = reading
                if best is not None and best.expected > (PLENTY if channel.made else ENOUGH):
                    break
            if best is None and (hidden := _hidden(view, calls, [len(x) for x in images])) is not None:
                return hidden
            reached = 0.0 if best is None or best.faint else best.expected
            if reached < ENOUGH and (turned := _turned(found, oracle)) is not None and turned.expected > reached:
                return _answer(turned, view, tried)
            if reached < ENOUGH and (joined := _joined(found, oracle)) is not None and joined.expected > reached:
                return _answer(joined, view, tried)
            if reached < ENOUGH:
                count = count_of(images, calls, whole_of(view))
                under = padded(view, oracle, found, count, ctx)
                under = under or seeded(view, oracle, images, calls, found, count)
                if under is not None and under.expected > reached:
                    return _answer(under, view, tried)
            if reached < ENOUGH and (whole := _together(view, oracle, images, calls, reached, ctx)) is not None:
                return whole
            if best is None and (alone := _unordered(view, ctx)) is not None:
                return _answer(alone, view, tried, ordered=False)
        return _answer(best, view, tried)


def _unordered(view: View, ctx: Context) -> Reading | None:
    """Rows read whose order nobody knows, by what images become that are encoded alone; None where none are."""
    asked = alone(view, ctx, CALLS - 1)
    if asked is None:
        return None
    images, labels, calls = asked
    counts = [len(x) for x in images]
    held = np.arange(sum(counts[:-1]), sum(counts))
    about = np.concatenate(images), np.concatenate(labels), held, "images encoded alone"
    oracle = Known(*about, view.similar, ctx.rng("alone"), view.similar_labels)
    best: Reading | None = None
    for channel in channels(calls, counts, whole_of(view), None):
        values = channel.part != "labels"
        reading = read(channel, oracle, lambda c: c.stacked, values=values) if channel.rows else None
        if reading is not None and not reading.faint and (best is None or reading.expected > best.expected):
            best = reading
    return best


def _together(
    view: View, oracle: Known, images: list[NDArray[np.float32]], calls: list[Release], reached: float, ctx: Context
) -> AttackOutput | None:
    """What is done to all images of a call together undone: their order where nothing was read, or their mixing."""
    order = moved(view, images, calls, ctx) if not reached else None
    return order if order is not None else mixed(view, oracle, images, calls, reached, ctx)


def _turned(found: list[Channel], oracle: Known) -> Reading | None:
    """Rows that are shifted by what their label or first value says; None where none are."""
    said = next((c for c in found if c.part == "labels" and c.rows), None)
    keys = None if said is None else [_classes(a) for a in (said.stacked, said.target)]
    for channel in found:
        rows, target = as_codes(channel.stacked), as_codes(channel.target)
        if not channel.rows or channel.part == "labels" or rows is None or target is None:
            continue
        fit, held = oracle.fit, oracle.held
        inverse = fit_shifts(oracle.images[fit], rows[fit], None if keys is None else keys[0][fit])
        if inverse is None:
            continue
        reached = ssim(inverse(rows[held], None if keys is None else keys[0][held]), oracle.images[held])
        if shown(reached - oracle.flat):
            answer = inverse(target, None if keys is None else keys[1])
            words = f"{len(oracle.images)} {oracle.words}"
            return Reading(channel, inverse.words, float(reached.mean()), float(oracle.flat.mean()), answer, words)
    return None


def _joined(found: list[Channel], oracle: Known) -> Reading | None:
    """Rows of bytes that two pixels make each, in any order; None where there are none."""
    for channel in found:
        rows, target = as_codes(channel.stacked), as_codes(channel.target)
        if not channel.rows or channel.part == "labels" or rows is None or target is None:
            continue
        fit, held = oracle.fit, oracle.held
        inverse = fit_joined(oracle.images[fit], rows[fit])
        if inverse is None:
            continue
        reached = ssim(inverse(rows[held]), oracle.images[held])
        if shown(reached - oracle.flat):
            words = f"{len(oracle.images)} {oracle.words}"
            expected, flat = float(reached.mean()), float(oracle.flat.mean())
            return Reading(channel, inverse.words, expected, flat, inverse(target), words)
    return None


def _classes(labels: NDArray[Any]) -> NDArray[np.int64]:
    """int64 (n,), the largest entry of each row of labels, or the numbers that they are."""
    flat = labels.reshape(len(labels), -1)
    out: NDArray[np.int64] = (flat.argmax(1) if flat.shape[1] > 1 else np.rint(flat[:, 0])).astype(np.int64)
    return out


def _hidden(view: View, calls: list[Release], counts: list[int]) -> AttackOutput | None:
    """Pictures among rows in an order that nobody knows; None where every image has one row, or none show."""
    ratios = {len(r.encodings) / n for r, n in zip(calls, counts, strict=True)}
    each = next(iter(ratios))
    if len(ratios) > 1 or each % 1 or not 2 <= each <= MAX_ROWS or view.encodings.shape[1:] != view.image_shape:
        return None
    found = pictures_among(view.encodings, len(view.encodings) // int(each))
    if found is None:
        return None
    answer, words = found
    return AttackOutput(
        images=answer,
        ambiguity=tuple(AMBIGUITIES),
        confidence=np.full(len(answer), 0.5, np.float32),
        diagnostics={"images": len(answer), "rows_per_image": each},
        sentence=f"{len(answer)} pictures show in the release: {words}.",
    )


def _all(
    found: list[Channel],
    tried: dict[str, float | None],
    screen: Screen,
    view: View,
    beyond: Callable[[], Iterator[OfCall]],
) -> Iterator[Channel]:
    """Channels one by one, then together; of those of which little was read (see `tried`), bytes less their neighbours,
    then two by two, those under maps that hide images, and arrays of a whole call two by two: of what is made of
    others, what passes a first look."""
    yield from found
    together = joint(found)
    if together is not None:
        yield together
    silent = [c for c in found if (tried.get(c.name) or 0.0) < LITTLE]
    for channel in unchained(silent, screen.images.shape[-1]):
        known = [(screen.images, channel.stacked)]
        if channel.pairs is not None and view.pairs is not None:
            known.append((np.asarray(view.pairs.images, np.float32), channel.pairs))
        if any(lowest_bits(images, rows) > ENOUGH_BITS for images, rows in known):
            yield channel
    looked, numbers = 0, []
    for made in made_of(found, silent, screen.images.shape[1:]):
        looked += 1
        strength = screen.strength(made)
        if np.isinf(strength):
            yield made.channel()
        elif strength:
            numbers.append((strength, looked, made))
    for _, _, made in sorted(numbers, reverse=True)[:READ]:
        yield made.channel()
    together_only = []
    for whole in beyond():
        looked += 1
        sources = [c for c in found if c.part in whole.sources and "rows an image" not in c.name]
        rows = np.concatenate(whole.calls)
        strength = screen.worth(rows, partial(np.asarray, rows), sources)
        if strength:
            together_only.append((strength, -looked, whole))
    for _, _, whole in sorted(together_only, key=lambda found: found[:2], reverse=True)[:READ]:
        of_all = whole.channel()
        if of_all is not None:
            yield of_all
    if looked:
        tried[f"{looked} things that parts make together or under maps that anyone can undo, at a first look"] = None


def _asked(view: View, ctx: Context) -> tuple[Known, list[NDArray[np.float32]], list[Release]]:
    """Similar images with what the scheme releases of them, in calls of two sizes."""
    if view.encoder is None:
        raise NotApplicable("the adversary has no oracle")
    if view.similar is None or len(view.similar) < CALLS * 16:
        few = 0 if view.similar is None else len(view.similar)
        raise NotApplicable(
            f"of the {CALLS * 16} similar images that the oracle is asked about the adversary has {few}"
        )
    per_call = min(PER_CALL[ctx.profile], len(view.similar) // CALLS)
    while per_call > 32 and CALLS * view.encoder.seconds(per_call) > ctx.encoder_s:
        per_call //= 2
    labels = np.zeros(len(view.similar), np.int64) if view.similar_labels is None else view.similar_labels
    order = ctx.rng("oracle").permutation(len(view.similar))
    counts = [per_call] * (CALLS - 1) + [per_call - FEWER]
    picks = np.split(order[: sum(counts)], np.cumsum(counts)[:-1])
    rng = ctx.rng("oracle seeds")
    asked = [(view.similar[p], labels[p], int(rng.integers(2**31))) for p in picks]
    calls = view.encoder.encode_many(asked)
    images = [np.asarray(x, np.float32) for x, _, _ in asked]
    n = sum(counts)
    known = Known(
        np.concatenate(images),
        np.concatenate([y for _, y, _ in asked]),
        np.arange(n - counts[-1], n),
        "images encoded afresh",
        view.similar,
        ctx.rng("families"),
        view.similar_labels,
    )
    return known, images, calls


def _readings(channel: Channel, view: View, oracle: Known, ctx: Context) -> Iterator[Reading | None]:
    """From the oracle, and from known records of the release where the part is theirs row by row."""
    plain = channel.part == "encodings" and channel.rows and not channel.made
    values = not plain and channel.part != "all"  # of which only bits and names of values have a meaning
    yield read(channel, oracle, lambda c: c.stacked, values=values)
    if channel.pairs is None or view.pairs is None or len(view.pairs.images) < LEAST:
        return
    count = len(view.pairs.images)
    known = Known(
        np.asarray(view.pairs.images, np.float32),
        np.zeros(count, np.int64) if view.pairs.labels is None else view.pairs.labels,
        np.sort(ctx.rng("hold out").permutation(count)[: count // 4]),
        "known images of the release",
        view.similar,
        ctx.rng("families of pairs"),
        view.similar_labels,
    )

    def rows(c: Channel) -> NDArray[Any]:
        assert c.pairs is not None
        return c.pairs

    yield read(channel, known, rows, values=values)


def _answer(best: Reading | None, view: View, tried: dict[str, float | None], *, ordered: bool = True) -> AttackOutput:
    """`ordered`: the rows of the release are in the order of their images."""
    rows = [[name, "nothing" if score is None else score] for name, score in tried.items()]
    table = {"columns": ["part of the release", "SSIM of what was read off it, on held-out images"], "rows": rows}
    diagnostics: dict[str, Any] = {"tables": {"Parts of the release": table}}
    shape = view.image_shape or view.encodings.shape[1:]
    if best is None:
        return AttackOutput(
            images=np.zeros((0, *shape), np.float32),
            diagnostics=diagnostics,
            sentence=f"Nothing was read off {len(tried)} parts of the release; no image is answered.",
        )
    if best.faint:
        return AttackOutput(
            images=np.zeros((0, *shape), np.float32),
            diagnostics=diagnostics,
            sentence=(
                f"The last bits of {best.channel.name} say something about the images (SSIM {best.expected:.2f}, the "
                f"mean image of their class {best.flat:.2f}), as rounded sums of floats do: round what is published to "
                "fewer bits, or compute in whole numbers."
            ),
        )
    answer = best.answer
    members = np.arange(len(answer), dtype=np.int64)[:, None] if best.channel.rows and ordered else None
    if members is None and view.pairs is not None and len(answer) > 1:
        answer = answer[~_among(answer, np.asarray(view.pairs.images, np.float32))]
    diagnostics |= {"part": best.channel.name, "way": best.words, "expected": best.expected, "mean_image": best.flat}
    return AttackOutput(
        images=answer,
        broke=True if best.hidden else None,
        members=members,
        confidence=np.full(len(answer), np.clip(best.expected, 0, 1), np.float32),
        diagnostics=diagnostics,
        sentence=(
            f"Images can be read off {best.channel.name} ({best.words}), as {best.pairs} show: SSIM "
            f"{best.expected:.2f} on some held out, where the mean image of their class reaches {best.flat:.2f}."
        ),
    )


def _among(answer: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.bool_]:
    """bool (m,), which answers are known images: an array of a whole call holds these too."""
    a, b = (v.reshape(len(v), -1) - v.reshape(len(v), -1).mean(1, keepdims=True) for v in (answer, known))
    a, b = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9) for v in (a, b))
    out: NDArray[np.bool_] = (a @ b.T).max(1) > SAME
    return out
