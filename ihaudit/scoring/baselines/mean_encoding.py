"""The mean of the encodings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.baseline import baseline
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View


@baseline("mean-encoding", "Mean of the encodings", "the mean of |encodings|, overall and per class", order=30)
def mean_encoding(view: View, ctx: Context) -> AttackOutput | None:
    """The mean of |encodings|, over all and per class, stretched to [0, 1], and the same without magnitudes."""
    encodings = np.asarray(view.encodings)
    if encodings.ndim != 4 or not len(encodings):
        return None
    groups = [np.ones(len(encodings), np.float64)]
    if view.labels is not None:
        groups += [w for w in np.asarray(view.labels, np.float64).T if w.sum() > 0]
    low, high = view.image_range
    guesses: list[NDArray[Any]] = []
    for weight in groups:
        share = weight / weight.sum()
        guesses.append(_stretch(np.tensordot(share, np.abs(encodings), axes=1)))
        guesses.append(np.clip((np.tensordot(share, encodings, axes=1) - low) / (high - low), 0, 1))
    return AttackOutput(np.nan_to_num(np.stack(guesses)).astype(np.float32))


def _stretch(x: NDArray[Any]) -> NDArray[Any]:
    low, high = float(x.min()), float(x.max())
    return (x - low) / (high - low) if high > low else np.full_like(x, 0.5)
