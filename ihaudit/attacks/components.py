"""Mixtures without a sign mask, taken apart without labels: independent components of the memberships."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ihaudit.attacks.numerics.masks import detect_mask
from ihaudit.attacks.numerics.memberships import Memberships, memberships
from ihaudit.attacks.recipe import as_images, unmasked
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.ssim import ssim
from ihaudit.release import FloatArray

#: encodings needed at least
FEWEST = 20
#: images an encoding holds at least and at most, on average, where mixtures are to be taken apart; at most of all
LEAST_MIXED, MOST_MIXED, MOST_OF_ALL = 1.3, 10.0, 0.34
#: variance that shares may leave, in units of what as many free dimensions leave
UNEXPLAINED = 1.5
#: share of memberships that another start must find again
AGAIN = 0.5
#: members of an encoding that are answered at most
MEMBERS = 8


@attack("components")
@dataclass(frozen=True)
class Components:
    """Finds who is in which encoding from the encodings alone, and solves for all images at once.

    Mixtures of N images span N dimensions, which shows in the spectrum also under noise; an image is in few encodings,
    so that memberships are the directions in them of greatest skewness.  Neither labels nor coefficients are read.
    """

    title: ClassVar[str] = "Independent components of the memberships of mixtures without a sign mask"
    reference: ClassVar[str] = "independent component analysis (Hyvarinen and Oja 1997), on memberships"
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        x = np.asarray(as_images(_as_pictures(view)), np.float64)
        if len(x) < FEWEST:
            raise NotApplicable(f"{len(x)} encodings are too few to tell what they have in common")
        if not unmasked(detect_mask(x)[0], view):
            raise NotApplicable("the signs of neighbouring pixels are independent: there is a sign mask, or no image")
        hint = view.hints.get("n_private")
        found = memberships(np.nan_to_num(x).reshape(len(x), -1), int(hint) if hint else None, ctx.rng("components"))
        if found is None:
            raise NotApplicable("the encodings do not lie in fewer dimensions than they are, so no image is in several")
        held = float((found.shares > 0).sum(1).mean())
        if held < LEAST_MIXED:
            raise NotApplicable(f"every encoding holds {held:.1f} images: nothing is mixed that could be taken apart")
        if (
            held > min(MOST_MIXED, MOST_OF_ALL * len(found.images))
            or found.unexplained > UNEXPLAINED
            or found.again < AGAIN
        ):
            raise NotApplicable("no shares that sum to one explain the encodings as mixtures of few images")
        return _answer(found, held, x.shape, view)


def _as_pictures(view: View) -> View:
    """With rows of all values of an image as pictures."""
    shape, x = view.image_shape, np.asarray(view.encodings)
    flat = shape is not None and x.ndim == 2 and x.shape[1] == int(np.prod(shape))
    return replace(view, encodings=x.reshape(len(x), *shape)) if flat and shape is not None else view


def _answer(found: Memberships, held: float, shape: tuple[int, ...], view: View) -> AttackOutput:
    low, high = map(float, view.image_range)
    scale = max(high - low, 1e-9)

    def pictures(rows: FloatArray) -> FloatArray:
        return np.clip((rows - low) / scale, 0, 1).astype(np.float32).reshape(-1, *shape[1:])

    images = pictures(found.images)
    # What noise does to them is seen by adding as much again.
    spread = np.sqrt(np.diag(np.linalg.pinv(found.shares.T @ found.shares)))[:, None]
    noise = np.random.default_rng(0).standard_normal(found.images.shape)
    confidence = np.clip(ssim(pictures(found.images + found.noise * spread * noise), images), 0, 1) * found.again
    order = np.argsort(-found.shares, axis=1)[:, :MEMBERS]
    coefficients = np.take_along_axis(found.shares, order, 1).astype(np.float32)
    return AttackOutput(
        images=images,
        members=np.where(coefficients > 0, order, -1).astype(np.int64),
        coefficients=coefficients,
        confidence=confidence.astype(np.float32),
        diagnostics={
            "images": len(images),
            "images_per_encoding": round(held, 2),
            "unexplained": round(found.unexplained, 3),
            "found_again": round(found.again, 3),
            "noise": round(found.noise / scale, 4),
            "expected_ssim": round(float(confidence.mean()), 3),
        },
        sentence=(
            f"{len(found.shares)} encodings are mixtures of {len(images)} images, {held:.1f} in each: who is in which "
            f"shows without labels (expected SSIM {confidence.mean():.2f})."
        ),
    )
