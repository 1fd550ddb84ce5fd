"""`restoration=explained`: images as known public images made them, where that is better than how they were before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from torch import Tensor

from ihaudit.attacks.numerics.candidates import Candidates
from ihaudit.attacks.numerics.pictures import to_pictures
from ihaudit.attacks.numerics.public_fit import PublicMembers
from ihaudit.attacks.numerics.transforms import Basis
from ihaudit.attacks.stages.restoration.network import restoration_network
from ihaudit.attacks.stages.state import Assigned, PublicFound, Recovered, Restored, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context

#: pinned SSIM that is expected of exact images (0.996 on average from three uses of each image, 1.000 from five on)
EXPECTED = 0.995
#: share of the public weight beside an image that must be known, or else nothing was gained (0 where public images are
#: others than those of the release, 0.4 where every second one is known)
KNOWN = 0.2
#: pinned SSIM that is expected, from which an image counts as exact
LEAST = 0.9
#: the window and the constant of pinned SSIM (`ihaudit.metrics.ssim`)
WINDOW, C2 = 7, 0.03**2
_ROWS = 512


@stage("restoration", "explained")
def restoration_explained(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """Exact images as `public=identify` solved for them; of others, the surer of what the network makes of encodings
    less their public images, and of how they were restored before."""
    before, found, observed = state.require(Restored), state.require(PublicFound), state.observed
    solved = to_pictures(state.require(Recovered).estimate.images[:-1], observed.shape, observed.image_range)
    expected = np.minimum(EXPECTED, expected_ssim(solved, found.error))
    exact = found.exact & (expected > LEAST)
    search = state.last("public")
    explained = 0.0 if search is None else float(search.diagnostics["encodings_explained"])
    state, facts = restoration_network(without_public(state), ctx)
    after = state.require(Restored)
    assert before.confidence is not None and after.confidence is not None
    known = known_share(state.require(Assigned), found, len(exact)) > KNOWN
    surer = ~exact & known & (after.confidence > before.confidence)
    images = np.where(surer[:, None, None, None], after.images, before.images)
    images = np.where(exact[:, None, None, None], solved, images)
    # what little is left of few encodings is too little: half way between the two (0.52 for 0.56 with two uses of each
    # image, where the latter alone says 0.82)
    rest = np.where(surer, (before.confidence + after.confidence) / 2, before.confidence)
    # where most encodings are explained, an image of others is likely wrong; where few are, public images are missing
    borne = np.maximum(rest, np.where(found.bound, 0, expected))
    rest = np.where(found.exact, borne, rest * np.float32(min(1.0, 2 - 2 * explained)))
    # of an image that could as well be a sum of itself and another, what the network says of it before is all there is
    vouched = np.where(found.bound, np.minimum(expected, before.confidence), expected)
    confidence = np.where(exact, vouched, rest)
    return state.restored(images, confidence), facts | {
        "exact_images": int(exact.sum()),
        "images_bettered": int(surer.sum()),
        "mean_confidence": float(confidence.mean()),
    }


def expected_ssim(images: NDArray[np.float32], error: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (R,): the pinned SSIM of images (R, H, W, C) in [0, 1] whose values are off by white noise of standard
    deviation `error` (R,): its formula with the variance of each window, mean colours taken for right."""
    size = (1, WINDOW, WINDOW, 1)
    mean, square = uniform_filter(images, size), uniform_filter(images**2, size)
    noise = error[:, None, None, None] ** 2
    power = 2 * np.clip(square - mean**2 - noise, 0, None) + C2
    result: NDArray[np.float32] = (power / (power + noise)).mean((1, 2, 3)).astype(np.float32)
    return result


def known_share(assigned: Assigned, found: PublicFound, images: int) -> NDArray[np.float32]:
    """float32 (images,): the share of what is mixed into encodings of each image that was found in the public set."""
    weight = np.where(assigned.members >= 0, assigned.coefficients, 0)
    rest = np.clip(1 - weight.sum(1), 1e-3, None)
    share = np.clip(found.weight.sum(1) / rest, 0, 1)
    ids, squares = np.clip(assigned.members, 0, None).ravel(), weight.astype(np.float64) ** 2
    total = np.bincount(ids, squares.ravel(), minlength=images)[:images]
    known = np.bincount(ids, (squares * share[:, None]).ravel(), minlength=images)[:images]
    return (known / np.maximum(total, 1e-9)).astype(np.float32)


def without_public(state: State) -> State:
    """The state as if public images that were found had never been mixed in."""
    observed, recovered, found = state.observed, state.require(Recovered), state.require(PublicFound)
    public = observed.view.public_set
    assert public is not None and recovered.signs is not None
    candidates = Candidates(public, Basis(observed.shape), *(found.levels or observed.image_range))
    members = PublicMembers(torch.from_numpy(found.index), torch.from_numpy(found.weight))
    values, signs = observed.values.clone(), recovered.signs.clone()
    rows = torch.nonzero((members.index >= 0).any(1))[:, 0]
    for part in rows.split(_ROWS):
        there = part.to(values.device)
        y, s = values[there].float(), signs[there].float()
        public_part = members.part(candidates, part).to(values.device)
        left: Tensor = torch.sign(s) * y - public_part
        values[there] = left.abs().to(values.dtype)
        signs[there] = ((s * y - public_part) / left.abs().clamp_min(1e-6)).clamp(-1, 1).to(signs.dtype)
    return replace(state, observed=replace(observed, values=values)).having(replace(recovered, signs=signs))
