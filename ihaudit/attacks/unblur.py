"""Encodings alone: pictures that were blurred, sharpened again once their spectrum has shown how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ihaudit.attacks.numerics.blur import Blurred, Prior, find_blur
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.ssim import ssim
from ihaudit.metrics.threads import one_thread
from ihaudit.scheme import Knowledge

#: similar images, and encodings, needed at least
FEWEST_SIMILAR, FEWEST = 400, 20
#: similar images that are blurred on trial, to say how good the answer is
PLAYED = 100
#: values of an image at most: the covariance is a matrix of that side
VALUES = 4096
#: how much more SSIM than the blurred pictures themselves the sharpened ones must have
GAIN = 0.02


@attack("unblur")
@dataclass(frozen=True)
class Unblur:
    """Finds the blur that all pictures went through, Gaussian or box, and undoes it as far as noise allows.

    Blurring similar images on trial shows which blur leaves the released spectrum, and likelihood how wide it is and
    how much noise (such as rounding's) followed; the answer is the most plausible image.
    """

    title: ClassVar[str] = "Blurred pictures from encodings alone"
    reference: ClassVar[str] = "blind deconvolution by Wiener's rule; McPherson et al. 2016, Privacy Blur (2512.16086)"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS, Knowledge.DISTRIBUTION})
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        if view.similar is None or len(view.similar) < FEWEST_SIMILAR:
            raise NotApplicable(f"fewer than {FEWEST_SIMILAR} similar images: what pictures are like is not known")
        shape = view.similar.shape[1:]
        released = np.asarray(view.encodings, np.float32)
        if released.shape[1:] != shape or len(released) < FEWEST:
            raise NotApplicable(
                f"not {FEWEST} encodings of the shape of an image or more: they are no blurred pictures"
            )
        if released[0].size > VALUES:
            raise NotApplicable(f"pictures of more than {VALUES} values take too long to sharpen")
        low, high = map(float, view.image_range)
        pictures = (released - np.float32(low)) / np.float32(max(high - low, 1e-9))
        similar = np.asarray(view.similar[ctx.rng("similar").permutation(len(view.similar))], np.float32)
        held, like = similar[:PLAYED], similar[PLAYED:]
        with one_thread():
            blur = find_blur(pictures, like)
            if blur is None:
                raise NotApplicable("encodings are as sharp as similar images, or no pictures that were blurred")
            ctx.progress("sharpen", None)
            rounding = ctx.rng("noise").standard_normal(held.shape) * blur.noise
            played = (blur(held) + rounding).astype(np.float32)
            both = np.clip(Prior.of(like).sharpened(np.concatenate([played, pictures]), blur), 0, 1)
        reached = ssim(both[: len(held)], held)
        before = float(ssim(np.clip(played, 0, 1), held).mean())
        expected = float(reached.mean())
        if expected < before + GAIN:
            raise NotApplicable(f"what was blurred is not to be had back (SSIM {expected:.2f}, {before:.2f} as it is)")
        images = both[len(held) :]
        return AttackOutput(
            images=images,
            members=np.arange(len(images), dtype=np.int64)[:, None],
            confidence=np.full(len(images), expected, np.float32),
            diagnostics={
                "blur": blur.kind,
                "width": round(blur.width, 4),
                "border": blur.border,
                "noise": blur.noise,
                "spectrum_left": round(blur.left, 3),
                "expected_ssim": round(expected, 3),
                "similar_blurred": round(before, 3),
            },
            sentence=(
                f"The pictures were blurred {_words(blur)}, which their spectrum gives away; similar images that were "
                f"blurred so come back with SSIM {expected:.2f} ({before:.2f} as they are)."
            ),
        )


def _words(blur: Blurred) -> str:
    if blur.kind == "box":
        return f"by means over {blur.width:.0f} x {blur.width:.0f} pixels"
    return f"by a Gaussian of {blur.width:.2f} pixels"
