"""`restoration=explained`: images that known public images made exact, all others as they were restored before."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.stages.state import Assigned, PublicFound, Recovered, Restored, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context

#: wholly explained encodings that hold an image with at least `HOLDS` of their weight, from which it is exact: what two
#: encodings share beside signs and public images of their own is no chance
ENOUGH, HOLDS = 2, 0.05
#: pinned SSIM that is expected of such images (0.996 on average from three uses of each image, 1.000 from five on)
EXPECTED = 0.995


@stage("restoration", "explained")
def restoration_explained(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Images of which enough encodings are explained, as `public=identify` solved for them; the rest as they were."""
    before = state.require(Restored)
    exact = exact_images(state.require(Assigned), state.require(PublicFound).explained, len(before.images))
    solved = to_pictures(
        state.require(Recovered).estimate.images[:-1], state.observed.shape, state.observed.image_range
    )
    images = np.where(exact[:, None, None, None], solved, before.images)
    confidence = None
    if before.confidence is not None:
        confidence = np.where(exact, np.float32(EXPECTED), before.confidence)
    facts: dict[str, Any] = {"exact_images": int(exact.sum())}
    earlier = state.last("restoration")
    if earlier is not None and "averages" in earlier.diagnostics:
        facts["averages"] = earlier.diagnostics["averages"]
    return state.restored(images, confidence), facts


def exact_images(assigned: Assigned, explained: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """bool (count,): which images are held by at least `ENOUGH` of the encodings `explained`, bool (E,)."""
    holds = (assigned.members >= 0) & (assigned.coefficients >= HOLDS) & explained[:, None]
    exact: NDArray[np.bool_] = np.bincount(assigned.members[holds], minlength=count)[:count] >= ENOUGH
    return exact
