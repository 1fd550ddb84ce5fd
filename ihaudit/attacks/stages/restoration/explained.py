"""`restoration=explained`: images that known public images made exact, all others as they were restored before."""

from __future__ import annotations

from typing import Any

import numpy as np

from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.stages.state import PublicFound, Recovered, Restored, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context

#: pinned SSIM that is expected of such images (0.996 on average from three uses of each image, 1.000 from five on)
EXPECTED = 0.995


@stage("restoration", "explained")
def restoration_explained(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Images that `public=identify` made exact as it solved for them; the rest as they were."""
    before, exact = state.require(Restored), state.require(PublicFound).exact
    solved = to_pictures(
        state.require(Recovered).estimate.images[:-1], state.observed.shape, state.observed.image_range
    )
    images = np.where(exact[:, None, None, None], solved, before.images)
    confidence = None
    if before.confidence is not None:
        # where nearly all images are exact, one that is not is most likely wrong
        rest = before.confidence * np.float32(1 - exact.mean())
        confidence = np.where(exact, np.float32(EXPECTED), rest)
    facts: dict[str, Any] = {"exact_images": int(exact.sum())}
    earlier = state.last("restoration")
    if earlier is not None and "averages" in earlier.diagnostics:
        facts["averages"] = earlier.diagnostics["averages"]
    return state.restored(images, confidence), facts
