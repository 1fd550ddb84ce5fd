"""Where pairs of an image and its encoding come from: known records of the release, and the oracle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.known_pairs.tokens import unshuffled
from ihaudit.contracts.context import Context
from ihaudit.contracts.encoder import Encoder
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.release import FloatArray, IntArray, Release, rows_of

#: calls of the oracle, the last of which is held out
CALLS = 4
#: values of a picture above which fewer are encoded in each
LARGE = 6144
#: similar images of a class at least, for their mean
OF_CLASS = 10
#: similar images at least, for the oracle to be asked
ASKED = CALLS * 4


def no_pairs(view: View) -> str:
    """Why an attack that needs pairs of an image and its encoding has none."""
    none = "no pair of an image and its encoding is to be had"
    few = 0 if view.similar is None else len(view.similar)
    if view.encoder is None:
        return f"{none}: the adversary has neither known records (--known-pairs) nor the oracle"
    if few < ASKED:
        return f"{none}: of the {ASKED} similar images that the oracle is asked about the adversary has {few}"
    return f"{none}: every encoding holds several images, or encodings of another call have another shape"


@dataclass(frozen=True, eq=False)
class Source:
    """Pairs to learn from.

    Attributes:
        images: float32 (n, H, W, C) in [0, 1].
        encodings: float32 (n, ...), row i made of image i.
        others: float32 (E, ...), the rows of the release, in the form in which `encodings` are.
        words: what they are, after their number.
        held: int64, those that must be held out (of another call, and so under another key), or None for any.
        usual: float32 (n, H, W, C), the mean of similar images of each one's class, where the release states classes of
            its rows, so that they are no news; else None.
    """

    images: NDArray[np.float32]
    encodings: NDArray[np.float32]
    others: NDArray[np.float32]
    words: str
    held: NDArray[np.int64] | None = None
    usual: NDArray[np.float32] | None = None


def refuse_constant(view: View) -> None:
    """Raise `NotApplicable` where all encodings are the same: nothing in them differs from image to image."""
    x = np.asarray(view.encodings, np.float32).reshape(len(view.encodings), -1)
    if len(x) > 1 and float(np.ptp(x, axis=0).max()) <= 1e-6 * max(1e-12, float(np.abs(x).max())):
        raise NotApplicable("all encodings are the same, so that nothing in them differs from image to image")


def sources(view: View, ctx: Context, per_call: int) -> Iterator[Source]:
    """Where pairs come from: known records first, then the oracle, asked only where the caller goes on."""
    if (records := known(view)) is not None:
        yield records
    if (own := encoded(view, ctx, per_call)) is not None:
        yield own


def known(view: View) -> Source | None:
    """The known records of the release, or None where there are none; shuffled tokens are put where they belong."""
    if view.pairs is None or not len(view.pairs.images):
        return None
    images, encodings = (np.asarray(v, np.float32) for v in (view.pairs.images, view.pairs.encodings))
    others = np.asarray(view.encodings, np.float32)
    usual = _usual(view, view.pairs.labels)
    ordered = unshuffled(images, encodings, others)
    if ordered is not None:
        words = "known images of the release, whose tokens can be put in order,"
        return Source(images, *ordered, words, usual=usual)
    return Source(images, encodings, others, "known images of the release", usual=usual)


def encoded(view: View, ctx: Context, per_call: int) -> Source | None:
    """Similar images encoded by the adversary, in calls (and so under keys) of their own.

    At most `per_call` in each of `CALLS` calls, fewer where they would take longer than `Context.encoder_s`; None where
    the adversary has no oracle or no similar images, or where a row is not made of one image.
    """
    if view.encoder is None or view.similar is None or len(view.similar) < ASKED:
        return None
    per_call = max(min(per_call, 60), per_call * LARGE // max(LARGE, view.similar[0].size))
    while per_call > 16 and CALLS * view.encoder.seconds(per_call) > ctx.encoder_s:
        per_call //= 2
    some = ctx.rng("oracle").permutation(len(view.similar))[: CALLS * per_call]
    labels = np.zeros(len(view.similar), np.int64) if view.similar_labels is None else view.similar_labels
    rng = ctx.rng("oracle seeds")
    calls = [(view.similar[p], labels[p], int(rng.integers(2**31))) for p in np.array_split(some, CALLS)]
    images, encodings, call, shown = [], [], [], []
    for i, release in enumerate(_releases(view.encoder, calls)):
        source = rows_of(release, len(calls[i][0]))
        if source is None or release.encodings.shape[1:] != view.encodings.shape[1:]:
            return None
        images.append(np.asarray(calls[i][0][source], np.float32))
        encodings.append(np.asarray(release.encodings, np.float32))
        call.append(np.full(len(source), i))
        shown.append(calls[i][1][source])
    held = np.flatnonzero(np.concatenate(call) == CALLS - 1)
    others = np.asarray(view.encodings, np.float32)
    made = np.concatenate(images), np.concatenate(encodings)
    return Source(*made, others, "images encoded afresh", held, _usual(view, np.concatenate(shown)))


def _usual(view: View, labels: IntArray | None) -> NDArray[np.float32] | None:
    """The mean of similar images of each class, float32 (n, H, W, C); of all images for classes of few."""
    if view.labels is None or labels is None or view.similar is None or view.similar_labels is None:
        return None
    kinds, index = np.unique(labels, return_inverse=True)
    means = [view.similar.mean(0) for _ in kinds]
    for i, kind in enumerate(kinds):
        mine = view.similar[view.similar_labels == kind]
        if len(mine) >= OF_CLASS:
            means[i] = mine.mean(0)
    return np.asarray(np.stack(means)[index.reshape(-1)], np.float32)


def _releases(encoder: Encoder, calls: list[tuple[FloatArray, IntArray, int]]) -> Iterator[Release]:
    """The first call by itself: the others are not made where it shows that rows mix images."""
    images, labels, seed = calls[0]
    yield encoder.encode(images, labels, seed=seed)
    yield from encoder.encode_many(calls[1:])
