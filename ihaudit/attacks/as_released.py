"""The encodings as they are: what is in plain sight where every row shows one image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ihaudit.attacks.numerics.masks import detect_mask, under_mask
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.grouping.copies import copies, each_alone
from ihaudit.attacks.stages.state import Assigned, Grouped, Restored
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable

#: encodings with a shorter side show nothing
SMALLEST = 4
#: share of values beyond the stated range of images from which encodings are brought into range by their own quantiles
BEYOND = 0.02


@attack("as-released")
@dataclass(frozen=True)
class AsReleased:
    """Answers each row with itself, brought to size, range and colour of the images; copies of one image are averaged.

    It inverts nothing.  What it reaches is what the release shows to anyone who looks at it.
    """

    title: ClassVar[str] = "The encodings as they are"
    reference: ClassVar[str] = "design: looking at the release"
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        pictures, how = _pictures(view)
        shown = replace(
            view, encodings=pictures, image_range=(0.0, 1.0), channel_range=None, image_shape=pictures.shape[1:]
        )
        state = start(shown, ctx, keep_signs=True, mixed=False)
        if not each_alone(state):
            raise NotApplicable("encodings hold several images each, and show none of them as they are")
        done = copies(state)
        images = done.require(Restored).images
        count, rows = len(images), len(pictures)
        merged = f", averaged where several show the same ({count} of {rows})" if count < rows else ""
        return AttackOutput(
            images=images,
            members=done.require(Assigned).members,
            diagnostics={"images": count, "encodings_per_image": float(done.require(Grouped).sizes.multiplicity)},
            stages=list(done.records),
            sentence=f"The encodings are shown as they are{how}{merged}: nothing was inverted.",
        )


def _pictures(view: View) -> tuple[NDArray[np.float32], str]:
    """The encodings as pictures (E, H, W, C) in [0, 1] of the images' shape, and what was done to them.

    Raises:
        NotApplicable: they are not pictures, or signs were hidden by a mask.
    """
    x = np.nan_to_num(np.asarray(view.encodings, np.float32))
    shape = view.image_shape or x.shape[1:]
    h, w, c = shape if len(shape) == 3 else (*shape, 1) if len(shape) == 2 else (0, 0, 0)
    if x[0].size == h * w * c and x.shape[1:] in ((h * w * c,), (h, w)):
        x = x.reshape(len(x), h, w, c)
    elif x.shape[1:] == (c, h, w) and c in (1, 3):
        x = x.transpose(0, 2, 3, 1)
    if x.ndim != 4 or x.shape[3] not in (1, c) or min(x.shape[1:3]) < SMALLEST:
        size = " x ".join(map(str, view.encodings.shape[1:]))
        raise NotApplicable(f"encodings of shape {size} are no pictures that could be shown as they are")
    mask = detect_mask(x)[0]
    if mask == "masked" and view.image_range[0] >= 0 and under_mask(x):
        x, mask = np.abs(x), "absolute"  # images without negative values, with signs that hide nothing
    if mask == "masked" or (view.image_range[0] < 0 and not bool(np.any(x < 0))):
        raise NotApplicable("a sign mask hides what encodings would show as they are, or they are no pictures")
    x, how = _in_range(x, view)
    if x.shape[1:3] != (h, w):
        how += f", brought from {x.shape[1]} x {x.shape[2]} to {h} x {w} pixels"
        planes = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        x = F.interpolate(planes, size=(h, w), mode="bilinear", align_corners=False).numpy().transpose(0, 2, 3, 1)
    return np.ascontiguousarray(np.broadcast_to(x, (len(x), h, w, c))), how


def _in_range(x: NDArray[np.float32], view: View) -> tuple[NDArray[np.float32], str]:
    """Values in [0, 1]: by the stated range of images, or by quantiles of the release where they lie beyond it."""
    if view.channel_range is not None and len(view.channel_range[0]) == x.shape[3]:
        lows, highs = (np.asarray(v, np.float32) for v in view.channel_range)
        return np.clip((x - lows) / (highs - lows), 0, 1).astype(np.float32), ""
    low, high = map(float, view.image_range)
    beyond = float(np.mean((x < low - 1e-6) | (x > high + 1e-6)))
    how = ""
    if beyond > BEYOND:
        some: NDArray[Any] = x[:: max(1, len(x) // 200)]
        low, high = (float(q) for q in np.quantile(some, [0.005, 0.995]))
        how = f", with values of {low:.3g} to {high:.3g} shown as black to white"
    return np.clip((x - low) / max(high - low, 1e-9), 0, 1).astype(np.float32), how
