"""`sharpening=recurring`: variances by the labels, and the covariance of public images that recur."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.pictures import to_arrays
from ihaudit.attacks.numerics.shared import correlation, generalised_least_squares, regular
from ihaudit.attacks.numerics.transforms import Whitener
from ihaudit.attacks.stages.state import Assigned, Moving, Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable

#: encodings up to which all are compared with each other, and encodings per image from which their residuals tell
#: which of them share a public image
MOST_COMPARED, FEWEST_FOR_RECURRENCE = 20_000, 60


def _labels_tell(slots: Slots) -> bool:
    """Whether the labels say how much of each encoding is public, and that differs."""
    share = slots.share
    return slots.weighted and float(share.min()) > 0.01 and float(share.std()) > 0.02


@stage("sharpening", "recurring")
def sharpening_recurring(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Variances by the labels, and the covariance of public images that recur (`numerics.shared`).

    Last, since variances by the labels do not guard against wrongly assigned encodings as residuals do: used in every
    round they lost an image (development seed 2, T = 50).
    """
    observed, recovered = state.observed, state.require(Recovered)
    values, signs, estimate = observed.values, recovered.signs, recovered.estimate
    nothing = {"pairs_sharing_a_public_image": 0}
    if signs is None:
        raise NotApplicable("sharpening=recurring needs expected signs: choose recovery=unmask")
    if not _labels_tell(observed.slots) or len(state.decided()) < len(values):
        return state, nothing
    mixing = state.mixing()
    each = (state.require(Assigned).members >= 0).sum() / max(mixing.unknowns, 1)
    estimate = weighted(values, mixing, estimate.noise, signs=signs, by_labels=True, start=estimate.images)
    state = state.having(replace(recovered, estimate=estimate))
    if state.find(Moving) is not None or len(values) > MOST_COMPARED or each < FEWEST_FOR_RECURRENCE:
        return state, nothing
    flat = (signs.float() * values).cpu().numpy()
    coefficients = mixing.dense.cpu().numpy().astype(np.float64)
    images = estimate.images.cpu().numpy()

    def pictures(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return to_arrays(torch.from_numpy(rows), observed.shape)

    left = flat - coefficients.astype(np.float32) @ images
    whiten = Whitener(pictures(flat - flat.mean(0, keepdims=True)))
    shared = correlation(whiten(pictures(left)))
    if shared is None:
        return state, nothing
    level = np.sqrt(estimate.noise.cpu().numpy().astype(np.float64))
    solved, variance = generalised_least_squares(coefficients, flat, level, shared)
    scaled = coefficients / level[:, None]
    plain = np.diag(np.linalg.inv(regular(scaled.T @ scaled)))
    # the standard errors that follow are those of plain least squares with these variances
    ratio = float(np.mean(variance[:-1] / plain[:-1]))
    estimate = Reconstruction(torch.from_numpy(solved).to(values.device), estimate.noise * ratio)
    return state.having(replace(recovered, estimate=estimate)), {
        "pairs_sharing_a_public_image": shared.pairs,
        "correlations_shrunk_by": round(shared.shrunk, 3),
        "variance_ratio": ratio,
    }
