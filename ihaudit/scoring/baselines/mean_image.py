"""The mean image."""

from __future__ import annotations

import numpy as np

from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.baseline import baseline
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View


@baseline("mean-image", "Mean image", "the mean of known images like the private ones, overall and per class", order=10)
def mean_image(view: View, ctx: Context) -> AttackOutput | None:
    """The mean of similar images, of the public set where there are none; None where neither is known."""
    images = view.similar if view.similar is not None and len(view.similar) else view.public_set
    if images is None or not len(images):
        return None
    guesses = [images.mean(axis=0)]
    if images is view.similar and view.similar_labels is not None:
        guesses += [images[view.similar_labels == c].mean(axis=0) for c in np.unique(view.similar_labels)]
    return AttackOutput(np.stack(guesses).astype(np.float32))
