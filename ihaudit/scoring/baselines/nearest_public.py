"""The nearest known image."""

from __future__ import annotations

import numpy as np

from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.baseline import baseline
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.metrics.matching import correlation

#: Encodings and images that the nearest-image baseline compares at most, drawn at random.
MAX_ENCODINGS, MAX_IMAGES = 1000, 4000


@baseline(
    "nearest-public", "Nearest known image", "for each encoding the known image that looks most like it", order=20
)
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
