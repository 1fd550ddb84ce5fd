"""The last solve: variances by the labels, then from place to place, and public images that recur."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.numerics.demix import Demixed, Whitener
from ihaudit.attacks.numerics.em import Estimate
from ihaudit.attacks.numerics.local_weights import Refined, refined
from ihaudit.attacks.numerics.shared import correlation, generalised_least_squares
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.stages.recovery.unmask import weighted
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable

#: encodings up to which all are compared with each other, and encodings per image from which their residuals tell
#: which of them share a public image
MOST_COMPARED, FEWEST_FOR_RECURRENCE = 20_000, 60
_BATCH = 512


def _labels_tell(state: State) -> bool:
    """Whether the labels say how much of each encoding is public, and that differs."""
    share = state.share
    return state.slots.informative and float(share.min()) > 0.01 and float(share.std()) > 0.02


@stage("sharpening", "none")
def sharpening_none(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Leaves the images as they are."""
    return state, {}


@stage("sharpening", "recurring")
def sharpening_recurring(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Variances by the labels, and the covariance of public images that recur (`unmasked.shared`).

    Last, since variances by the labels do not guard against wrongly assigned encodings as residuals do: used in every
    round they lost an image (development seed 2, T = 50).
    """
    assert state.estimate is not None and state.members is not None
    signs = state.signs
    if signs is None:
        raise NotApplicable("sharpening=recurring needs expected signs: choose recovery=unmask")
    if not _labels_tell(state) or len(state.decided()) < len(state.values):
        return state, {"pairs_sharing_a_public_image": 0}
    each = (state.members >= 0).sum() / max(state.unknowns, 1)
    mixing = state.mixing()
    state = replace(state, estimate=weighted(state.values, signs, mixing, state.estimate.noise, by_labels=True))
    if len(state.values) > MOST_COMPARED or each < FEWEST_FOR_RECURRENCE:
        return state, {"pairs_sharing_a_public_image": 0}
    assert state.estimate is not None
    c, h, w = state.shape
    flat = (signs.float() * state.values).cpu().numpy()
    coefficients = mixing.dense.cpu().numpy().astype(np.float64)
    images = state.estimate.images.cpu().numpy()

    def pictures(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return rows.reshape(-1, c, h, w).transpose(0, 2, 3, 1)

    left = flat - coefficients.astype(np.float32) @ images
    whiten = Whitener(pictures(flat - flat.mean(0, keepdims=True)))
    shared = correlation(whiten(pictures(left)))
    if shared is None:
        return state, {"pairs_sharing_a_public_image": 0}
    level = np.sqrt(state.estimate.noise.cpu().numpy().astype(np.float64))
    solved, variance = generalised_least_squares(coefficients, flat, level, shared)
    plain = np.diag(np.linalg.inv((coefficients / level[:, None]).T @ (coefficients / level[:, None])))
    # the standard errors that follow are those of plain least squares with these variances
    ratio = float(np.mean(variance[:-1] / plain[:-1]))
    estimate = Estimate(torch.from_numpy(solved).to(state.values.device), state.estimate.noise * ratio)
    return replace(state, estimate=estimate), {
        "pairs_sharing_a_public_image": shared.pairs,
        "correlations_shrunk_by": round(shared.shrunk, 3),
        "variance_ratio": ratio,
    }


@stage("sharpening", "local")
def sharpening_local(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """`recurring`, then weights from place to place with recurring public images as unknowns of their own
    (`unmasked.local`); the network unmasks all encodings once more with both known, and so again.

    In the profile `quick`, and where masks are known, once only.
    """
    state, diagnostics = sharpening_recurring(state, ctx)
    if not state.slots.informative or len(state.decided()) < len(state.values):
        return state, diagnostics
    found = _refined(state, ctx)
    if found is None:
        return state, diagnostics
    if ctx.profile != "quick" and not state.masks_known:
        unmasker = Unmasker(state.shape, state.image_range, ctx.device)
        told = torch.empty_like(state.values, dtype=torch.float16)
        for i in range(0, len(told), _BATCH):
            rows = slice(i, i + _BATCH)
            told[rows] = _rows(found.predicted(rows)).half().to(told.device)
        signs = unmasker(state.values, told)
        again = _refined(replace(_with(state, found), signs=signs), ctx)
        if again is not None:
            state, found = replace(state, signs=signs), again
    # these variances know nothing of doubtful masks
    confidence = found.confidence if state.masks_known else None
    return replace(_with(state, found), confidence=confidence), diagnostics | found.facts


def _refined(state: State, ctx: Context) -> Refined | None:
    assert state.estimate is not None and state.signs is not None
    assert state.members is not None and state.coefficients is not None
    images = _pictures(state.estimate.images[:-1], state)
    noise = np.sqrt(state.estimate.noise.cpu().numpy().astype(np.float64))
    first = Demixed(images, state.members, state.coefficients, noise, np.zeros(len(images), np.int64))
    unmasked = _pictures(state.signs.float() * state.values, state)
    return refined(first, unmasked, state.slots.mass, state.image_range, ctx.progress, paired=False)


def _with(state: State, found: Refined) -> State:
    """The state with these images; noise such that standard errors by information are theirs."""
    assert state.estimate is not None
    images = torch.cat([_rows(found.images).to(state.values.device), state.estimate.images[-1:]])
    plain = torch.linalg.inv(state.mixing().normal(1 / state.estimate.noise)).diagonal()[:-1]
    # of most images: one without encodings has no bounds
    ratio = float(np.median(found.variance / plain.clamp_min(1e-12).cpu().numpy()))
    return replace(state, estimate=Estimate(images, state.estimate.noise * ratio))


def _pictures(rows: torch.Tensor, state: State) -> NDArray[np.float32]:
    c, h, w = state.shape
    return rows.view(-1, c, h, w).permute(0, 2, 3, 1).contiguous().cpu().numpy().astype(np.float32)


def _rows(pictures: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).reshape(len(pictures), -1))
