"""What follows from known masks: orientation, pairing, private images, and with the public set their exact values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.base import View
from ihaudit.attacks.prng.demix import Demixed, Whitener, demix
from ihaudit.attacks.prng.stream import Unmasked
from ihaudit.context import Context
from ihaudit.release import FloatArray


@dataclass(frozen=True)
class Polarity:
    """Whether the mask bit 1 stands for -1; equations on differences of bits cannot tell."""

    flip: bool
    reason: str


def _scaled(images: FloatArray, view: View) -> NDArray[np.float32]:
    low, high = view.image_range
    return np.asarray(images, np.float32) * np.float32(high - low) + np.float32(low)


def orient(unmasked: Unmasked, view: View) -> Polarity:
    """The sign that all mixtures share: by the range, by similar or public images, else by the usual convention."""
    u = unmasked.mixtures[unmasked.known]
    low, high = view.image_range
    if low >= 0 or high <= 0:
        wrong = float(u.mean()) * (1 if low >= 0 else -1) < 0
        return Polarity(wrong, "images of one sign")
    known = view.public_set if view.public_set is not None else view.similar
    if known is not None and len(known):
        mean = u.mean(0).astype(np.float64)
        reference = _scaled(known[:4096], view).mean(0).astype(np.float64)
        # how far the mean mixture lies from +reference and from -reference, against its own sampling error
        error = float((u[::2].mean(0) - u[1::2].mean(0)).std()) / 2 + 1e-9
        apart = float(((mean + reference) ** 2).mean() - ((mean - reference) ** 2).mean())
        if abs(apart) > 4 * error * float(np.sqrt((reference**2).mean())):
            return Polarity(apart < 0, "mean mixture against the mean of known images")
    return Polarity(False, "assumed: bit 1 is +1")


@dataclass(eq=False)
class Recovered:
    """Reconstructions in [0, 1] as `AttackOutput` wants them."""

    images: NDArray[np.float32]
    variant: str
    sentence: str
    members: NDArray[np.int64] | None = None
    coefficients: NDArray[np.float32] | None = None
    confidence: NDArray[np.float32] | None = None
    diagnostics: dict[str, Any] = field(default_factory=dict)


def images_from(unmasked: Unmasked, view: View, ctx: Context) -> Recovered:
    """Private images where labels allow to separate them; the unmasked mixtures themselves otherwise."""
    low, high = view.image_range
    known = unmasked.known
    u = unmasked.mixtures[known]
    labels = view.labels
    result: Demixed | None = None
    if labels is not None and len(u) >= 4:
        ctx.progress("grouping unmasked mixtures", None)
        whitener = Whitener(_scaled(view.similar, view)) if view.similar is not None and len(view.similar) > 500 else None
        result = demix(u, np.asarray(labels)[known], whitener=whitener)
    if result is None:
        images = ((u - low) / (high - low)).clip(0, 1).astype(np.float32)
        members = np.full((len(known), 1), -1, np.int64)
        members[known, 0] = np.arange(len(u))
        return Recovered(
            images,
            "mixtures",
            "No two encodings were seen to share an image; the unmasked mixtures are returned as they are.",
            members=members,
            diagnostics={"images": len(images)},
        )
    members = np.full((len(known), result.members.shape[1]), -1, np.int64)
    members[known] = result.members
    coefficients = np.zeros(members.shape, np.float32)
    coefficients[known] = result.coefficients
    images = ((result.images - low) / (high - low)).clip(0, 1).astype(np.float32)
    return Recovered(
        images,
        "least-squares",
        f"Ordinary least squares on them gives {len(images)} private images.",
        members=members,
        coefficients=coefficients,
        diagnostics=result.diagnostics | {"median_noise": float(np.median(result.noise))},
    )
