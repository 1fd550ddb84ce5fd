"""Trivial guesses scored beside every attack: what someone reaches who does not attack at all.

They are built from the `View` alone.  Their guesses are scored with ``reuse=True`` (one guess may stand for any
number of private images, the nearest each), which errs on the side of the baseline: an attack has to be better than
that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.metrics.matching import correlation
from ihaudit.metrics.threads import one_thread
from ihaudit.scheme import Knowledge

if TYPE_CHECKING:
    from ihaudit.audit.plan import Item

#: Encodings and images that the nearest-image baseline compares at most, drawn at random.
MAX_ENCODINGS, MAX_IMAGES = 1000, 4000


def mean_image(view: View, ctx: Context) -> AttackOutput | None:
    """The mean of similar images, of the public set where there are none; None where neither is known."""
    images = view.similar if view.similar is not None and len(view.similar) else view.public_set
    if images is None or not len(images):
        return None
    guesses = [images.mean(axis=0)]
    if images is view.similar and view.similar_labels is not None:
        guesses += [images[view.similar_labels == c].mean(axis=0) for c in np.unique(view.similar_labels)]
    return AttackOutput(np.stack(guesses).astype(np.float32))


def nearest_public(view: View, ctx: Context) -> AttackOutput | None:
    """For each encoding the known image that correlates most with its magnitude, most alike first."""
    known = [x for x in (view.public_set, view.similar) if x is not None and len(x)]
    encodings = np.asarray(view.encodings)
    if not known or encodings.ndim != 4 or encodings.shape[1:] != known[0].shape[1:]:
        return None
    images = np.concatenate(known).astype(np.float32)
    rng = ctx.rng("nearest public")
    images = images[rng.permutation(len(images))[:MAX_IMAGES]]
    shown = encodings[np.sort(rng.permutation(len(encodings))[:MAX_ENCODINGS])].astype(np.float32)
    low, high = view.image_range
    # A mask hides signs only, so magnitudes are compared with the magnitudes that the images would have unmasked.
    scores = correlation(np.abs(shown), np.abs(images * (high - low) + low))
    best = scores.max(axis=0)
    order = np.argsort(-best, kind="stable")
    used = order[np.isin(order, scores.argmax(axis=1))]
    return AttackOutput(images[used], confidence=np.clip(best[used], 0, 1).astype(np.float32))


@one_thread()
def mean_encoding(view: View, ctx: Context) -> AttackOutput | None:
    """The mean of |encodings|, over all and per class, stretched to [0, 1], and the same without magnitudes."""
    encodings = np.asarray(view.encodings)
    if encodings.ndim != 4 or not len(encodings):
        return None
    groups = [np.ones(len(encodings), np.float64)]
    if view.labels is not None:
        groups += [w for w in np.asarray(view.labels, np.float64).T if w.sum() > 0]
    low, high = view.image_range
    guesses: list[NDArray] = []
    for weight in groups:
        share = weight / weight.sum()
        guesses.append(_stretch(np.tensordot(share, np.abs(encodings), axes=1)))
        guesses.append(np.clip((np.tensordot(share, encodings, axes=1) - low) / (high - low), 0, 1))
    return AttackOutput(np.nan_to_num(np.stack(guesses)).astype(np.float32))


def _stretch(x: NDArray) -> NDArray:
    low, high = float(x.min()), float(x.max())
    return (x - low) / (high - low) if high > low else np.full_like(x, 0.5)


BASELINES: dict[str, tuple[str, str, Callable[[View, Context], AttackOutput | None]]] = {
    "mean-image": ("Mean image", "the mean of known images like the private ones, overall and per class", mean_image),
    "nearest-public": (
        "Nearest known image",
        "for each encoding the known image that looks most like it",
        nearest_public,
    ),
    "mean-encoding": ("Mean of the encodings", "the mean of |encodings|, overall and per class", mean_encoding),
}


@one_thread()
def baselines(view: View, ctx: Context) -> list[tuple[Item, AttackOutput]]:
    """All baselines that can be formed from `view`.

    Returns:
        (item of kind ``baseline``, output) pairs; those that lack their material are left out.
    """
    from ihaudit.audit.plan import Item

    out = []
    for id_, (title, says, build) in BASELINES.items():
        answer = build(view, ctx)
        if answer is None:
            continue
        answer.sentence = says
        needs = frozenset({Knowledge.ENCODINGS})
        out.append((Item("baseline", id_, id_, title, "trivial guess", needs, view.knows), answer))
    return out
