"""`similarity=unmasked`: whitened squares, and whitened mixtures as a network unmasks them."""

from __future__ import annotations

from typing import Any

import torch

from ihaudit.attacks.numerics.squares import dct, low_frequencies, regress_out, square_features
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.stages.state import Features, Mixtures, State, Unmasked
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable

_BATCH = 512


@stage("similarity", "unmasked")
def similarity_unmasked(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Whitened squares, and whitened mixtures as the mask recovery network unmasks them, or as they are known."""
    observed = state.observed
    if observed.signs is not None:
        signs = observed.signs
    elif observed.mask == "signed":
        raise NotApplicable("the encodings carry no sign mask: attack least-squares needs no mask recovery")
    else:
        signs = Unmasker(observed.shape, observed.image_range, ctx.device)(observed.values)
    mass = torch.from_numpy(observed.slots.mass).to(observed.values.device)
    keep = low_frequencies(observed.shape).to(observed.values.device)
    mixtures = torch.empty(len(signs), len(keep), device=signs.device)
    for i in range(0, len(signs), _BATCH):
        rows = slice(i, i + _BATCH)
        mixtures[rows] = dct(signs[rows].float() * observed.values[rows], observed.shape)[:, keep]
    share = 1 - mass.sum(1)
    mixtures = regress_out(mixtures, torch.stack([torch.ones_like(share), share], 1))
    power = (mixtures**2).mean(0)
    mixtures /= (power + 1e-3 * power.median()).sqrt().clamp_min(1e-12)
    squares, weight = square_features(observed.values, mass, observed.shape)
    return state.having(
        Unmasked(signs),
        Features(squares[:, keep], weight),
        Mixtures(mixtures, 1 / (mixtures**2).mean(1).clamp_min(1e-3)),
    ), {"dimensions": len(keep), "mean_sign_certainty": float(signs[:200].float().abs().mean())}
