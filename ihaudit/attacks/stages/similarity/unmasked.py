"""`similarity=unmasked`: whitened squares, and whitened mixtures as a network unmasks them."""

from __future__ import annotations

from typing import Any

import torch

from ihaudit.attacks.numerics.features import linear_features, square_features
from ihaudit.attacks.numerics.orientation import ground
from ihaudit.attacks.numerics.scratch import hand_back_pages
from ihaudit.attacks.numerics.transforms import low_frequencies
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.stages.state import Features, Mixtures, State, Unmasked
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable

_BATCH = 1024


@stage("similarity", "unmasked")
def similarity_unmasked(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Whitened squares, and whitened mixtures as the mask recovery network unmasks them, or as they are known."""
    observed = state.observed
    if observed.signs is not None:
        signs = observed.signs
    elif observed.mask == "signed":
        raise NotApplicable("the encodings carry no sign mask that could be undone")
    else:
        signs = Unmasker(observed.shape, observed.image_range, ctx.device)(observed.values)
    known = ground(observed.shape, observed.image_range, observed.view.similar, observed.values.device)
    polarity = None
    if known is not None and observed.signs is None:
        for i in range(0, len(signs), _BATCH):  # in place: they are as large as the release
            part = signs[i : i + _BATCH]
            side = (part.float() * observed.values[i : i + _BATCH].float()) @ known
            part *= torch.where(side < 0, -1.0, 1.0).half()[:, None]
            hand_back_pages()
        polarity = torch.ones(len(signs), device=signs.device)
    mass = torch.from_numpy(observed.slots.mass).to(observed.values.device)
    keep = low_frequencies(observed.shape).to(observed.values.device)
    mixtures = Mixtures(*linear_features(observed.values, mass, observed.shape, signs=signs, columns=keep))
    squares = Features(*square_features(observed.values, mass, observed.shape, columns=keep))
    return state.having(
        Unmasked(signs, polarity, known=polarity is not None),
        squares,
        mixtures,
    ), {"dimensions": len(keep), "mean_sign_certainty": float(signs[:200].float().abs().mean())}
