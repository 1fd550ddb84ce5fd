"""`restoration=network`: the learned image prior, with a confidence for every image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.em import Estimate
from ihaudit.attacks.numerics.restoring import mean_certainty, restored
from ihaudit.attacks.stages.state import State, to_pictures
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from ihaudit.nn.restorer import Restorer
from ihaudit.nn.shipped import load_confidence, load_restorer


@stage("restoration", "network")
def restoration_network(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """The learned restorer on every image, and what SSIM it is expected to reach."""
    features, images = restored_state(state, load_restorer(device=ctx.device))
    confidence = load_confidence(device=ctx.device)(features.to(ctx.device)).cpu().numpy().astype(np.float32)
    pictures = to_pictures(images, state.shape, state.image_range)
    return replace(state, images=pictures, confidence=confidence), {
        "mean_confidence": float(confidence.mean()),
        "mean_error": float(features[:, 1].exp().mean()),
    }


def restored_state(state: State, net: Restorer) -> tuple[Tensor, Tensor]:
    """`restored` of a state that recovery has left: features float32 (N, FEATURES) and images (N, P) in mixing units.

    Raises:
        NotApplicable: there are no expected signs, or images are neither grey nor in colour, or too small.
    """
    if state.estimate is None or state.signs is None:
        raise NotApplicable("restoration=network needs expected signs: choose recovery=unmask")
    assert state.members is not None and state.coefficients is not None
    rows = torch.from_numpy(state.decided()).to(state.values.device)
    whole = len(rows) == len(state.values)
    values, signs = (state.values, state.signs) if whole else (state.values[rows], state.signs[rows])
    return restored(
        net,
        values,
        signs,
        state.mixing().some(rows),
        Estimate(state.estimate.images, state.estimate.noise[rows]),
        mean_certainty(state.members, state.coefficients, state.certainty, state.unknowns),
        state.shape,
        state.image_range,
    )
