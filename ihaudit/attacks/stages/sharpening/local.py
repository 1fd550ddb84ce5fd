"""`sharpening=local`: weights from place to place, recurring public images as unknowns of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ihaudit.attacks.numerics.demix import Demixed
from ihaudit.attacks.numerics.em import Estimate
from ihaudit.attacks.numerics.local_weights import Refined, refined
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.stages.sharpening.recurring import sharpening_recurring
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context

_BATCH = 512


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
