"""The stage `restoration=recolour73` (Carlini et al. 2021, 4.6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.orientation import orient
from ihaudit.attacks.stages.state import Recovered, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.nn.shipped import load_recolour


@stage("restoration", "recolour73")
def restoration_recolour73(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Repairs each pixel's colour by a 73-parameter network, fitted on attacks on releases of our own.

    It maps red, green and blue; images of other channels are left as they are.
    Option: ``recolour_weights``, a file of `ihaudit train recolour` to use instead of the shipped one.
    """
    record = state.last("recovery")
    recovery = record.variant if record else ""
    found, flipped = pixels_of(state, recovery)
    path = ctx.options.get("recolour_weights")
    colour, known, repaired = state.observed.shape[0] == 3, False, found
    if colour:
        nets = load_recolour(Path(path) if path else None, ctx.device)
        # eq. (1) and means leave colours alone or spoil them in ways of their own: nothing was fitted for those
        known = recovery in nets
        with torch.no_grad():
            repaired = nets[recovery](found) if known else found
    pictures = ((repaired + 1) / 2).clamp(0, 1).cpu().numpy().astype(np.float32)
    moved = float((repaired - found.clamp(-1, 1)).abs().mean()) if known else 0.0
    diagnostics = {"negated": flipped, "weights_for": recovery if known else None, "moved": moved}
    if not colour:
        diagnostics["skipped"] = f"it maps red, green and blue; these images have {state.observed.shape[0]} channel(s)"
    return state.restored(pictures), diagnostics


def pixels_of(state: State, recovery: str) -> tuple[Tensor, bool]:
    """What the network is given: float32 (N, H, W, C) on about [-1, 1], and whether the images were negated.

    After `gradient-zero` every image is stretched from its least to its largest value, as in the published code, which
    has no need to find the sign: from zero, every value comes out negative.
    """
    observed, recovered = state.observed, state.require(Recovered).estimate.images
    low, high = observed.image_range
    flipped = False
    if recovery == "gradient-zero":
        rows = recovered[:-1]
        least, most = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
        unit = (rows - least) / (most - least).clamp_min(1e-9)
    else:
        images, flipped = orient(recovered, observed.shape, observed.image_range, observed.view.similar)
        unit = (images[:-1] - low) / max(high - low, 1e-9)
    c, h, w = observed.shape
    return (2 * unit - 1).view(-1, c, h, w).permute(0, 2, 3, 1).contiguous(), flipped
