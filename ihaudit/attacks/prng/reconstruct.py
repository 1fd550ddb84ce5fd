"""Private images from a release whose masks are known: pairing, least squares, and with the public set exact values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.demix import Demixed, demix
from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.numerics.local_weights import refine
from ihaudit.attacks.numerics.shared import sharpen
from ihaudit.attacks.numerics.transforms import Whitener
from ihaudit.attacks.prng.exact import EXPLAINED, exact
from ihaudit.attacks.prng.orientation import orient
from ihaudit.attacks.prng.public import PublicSet, fit_public, without_public
from ihaudit.attacks.prng.stream import UnmaskedRelease
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.state import Assigned, Recovered, Restored
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.release import FloatArray

#: expected SSIM, on average, from which images that no label separated are answered instead of the mixtures
BELIEVED = 0.5
_LEAST_REST = 0.02  # mean weight that labels leave to public images, below which there are none


@dataclass(eq=False)
class Knowns:
    """What the adversary knows beside the masks, all in the range of the mixtures.

    Attributes:
        view: the release.
        public: the public set; None where it is not known.
        similar: float32 (S, H, W, C), images like the private ones, or None.
    """

    view: View
    public: PublicSet | None
    similar: NDArray[np.float32] | None

    @classmethod
    def of(cls, view: View, ctx: Context) -> Knowns:
        """From a view."""
        public = view.public_set
        if public is not None and (len(public) < 2 or public.shape[1:] != view.encodings.shape[1:]):
            public = None
        return cls(
            view,
            None if public is None else PublicSet(mixed(public, view), ctx.device),
            None if view.similar is None else mixed(view.similar, view),
        )


def mixed(images: FloatArray, view: View) -> NDArray[np.float32]:
    """Images in [0, 1] as they were mixed."""
    low, high = view.image_range
    return np.asarray(images, np.float32) * np.float32(high - low) + np.float32(low)


def unmixed(images: FloatArray, view: View) -> NDArray[np.float32]:
    """The inverse of `mixed`, clipped to [0, 1]."""
    low, high = view.image_range
    return ((images - low) / (high - low)).clip(0, 1).astype(np.float32)


@dataclass(eq=False)
class Reconstruction:
    """Images, and what is in which mixture.

    Attributes:
        images: float32 (N, H, W, C) in [0, 1].
        members: int64 (E, s) of them in each mixture, -1 for none; coefficients: float32 (E, s) or None.
        confidence: float32 (N,) expected SSIM, or None.
        variant: of the method, for the record; sentence: in words.
        diagnostics: JSON-able.
        polarity: how the common sign of the mixtures is known.
    """

    images: NDArray[np.float32]
    members: NDArray[np.int64]
    coefficients: NDArray[np.float32] | None
    confidence: NDArray[np.float32] | None
    variant: str
    sentence: str
    diagnostics: dict[str, Any] = field(default_factory=dict)
    polarity: str = ""

    def of_release(self, known: NDArray[np.bool_]) -> Reconstruction:
        """Of a whole release (R,), of which only the mixtures `known` were looked at."""
        members = np.full((len(known), self.members.shape[1]), -1, np.int64)
        members[known] = self.members
        if self.coefficients is None:
            return replace(self, members=members)
        coefficients = np.zeros(members.shape, np.float32)
        coefficients[known] = self.coefficients
        return replace(self, members=members, coefficients=coefficients)


def reconstruct(unmasked: UnmaskedRelease, knowns: Knowns, ctx: Context) -> Reconstruction:
    """Private images where they can be separated; the unmasked mixtures themselves otherwise.

    The mixtures of `unmasked` are negated in place where their common sign turns out to be wrong.
    """
    known, view = unmasked.known, knowns.view
    polarity = orient(unmasked.mixtures[known], view.image_range, knowns.public, knowns.similar)
    if polarity.flip:
        unmasked.mixtures *= -1
    u = unmasked.mixtures[known]
    labels = None if view.labels is None else np.asarray(view.labels)[known]
    found: Reconstruction | None = None
    if len(u) >= 4:
        ctx.progress("grouping unmasked mixtures", None)
        found = _untold(u, labels, view, ctx)
    if found is None and labels is not None and len(u) >= 4:
        public_mixed = float((1 - labels.sum(1)).mean()) > _LEAST_REST
        if knowns.public is not None and public_mixed:
            found = _exactly(u, labels, knowns.public, view, ctx)
        else:
            found = _blind(u, labels, knowns, ctx)
    if found is None:
        found = _one_each(u, labels, knowns, ctx)
    return replace(found.of_release(known), polarity=polarity.reason)


def _untold(u: NDArray[np.float32], labels: FloatArray | None, view: View, ctx: Context) -> Reconstruction | None:
    """Where labels are class numbers, or there are none: by the stages of `unmix`, to which coefficients are unknowns;
    None where labels tell them, or hardly any of its images would be right (no two encodings may share one)."""
    if read_slots(labels, len(u), per_encoding=view.hints.get("private_per_encoding")).informative:
        return None
    found = by_stages(u, labels, view, ctx)
    if found is None or found.confidence is None or found.confidence.mean() < BELIEVED:
        return None
    return found


def _exactly(
    u: NDArray[np.float32], labels: FloatArray, public: PublicSet, view: View, ctx: Context
) -> Reconstruction | None:
    """With every public image recognised and taken out (`exact`)."""
    # taking public images out beforehand shows faint private ones, but can lose some
    starts = (demix(without_public(u, labels, public), labels, whitener=public.whiten), demix(u, labels))
    start = max(filter(None, starts), key=lambda d: len(d.images), default=None)
    if start is None:
        return None
    solved, fit = exact(u, labels, start, public, progress=ctx.progress)
    return _reconstruction(
        solved,
        view,
        "exact",
        "Ordinary least squares",
        f", after {int((fit.index >= 0).sum()):,} public images were recognised in the mixtures and taken out "
        f"(median residual {float(np.median(solved.noise)):.1e})",
    )


def _blind(u: NDArray[np.float32], labels: FloatArray, knowns: Knowns, ctx: Context) -> Reconstruction | None:
    """Without the public set: by `demix`, which is exact where mixtures hold private images only, or else by the stages
    of `unmix`, which find more images where each has few encodings.

    Whoever found fewer images gives way; where that is `unmix`, the sum of expected SSIM decides.
    """
    view = knowns.view
    whitener = Whitener(knowns.similar) if knowns.similar is not None and len(knowns.similar) > 500 else None
    paired = demix(u, labels, whitener=whitener)
    if paired is None:
        return None
    grouped = None if float(np.median(paired.noise)) < EXPLAINED else by_stages(u, labels, view, ctx)
    if grouped is not None and len(grouped.images) >= len(paired.images):
        return grouped
    solved = refine(sharpen(paired, u, labels, view.image_range), u, labels, view.image_range, ctx.progress)
    if (
        grouped is not None
        and grouped.confidence is not None
        and solved.confidence is not None
        and grouped.confidence.sum() > solved.confidence.sum()
    ):
        return grouped
    variant, method, extra = "least-squares", "Ordinary least squares", ""
    if (recurring := solved.diagnostics.get("recurring_public_images")) is not None:
        variant, method = "local-least-squares", "Least squares with weights from place to place"
        extra = f", beside {recurring:,} public images seen to recur" if recurring else ""
    elif (pairs := solved.diagnostics.get("pairs_sharing_a_public_image")) is not None:
        variant, method = "generalised-least-squares", "Generalised least squares"
        extra = f", given that {pairs:,} pairs of encodings were seen to share a public image"
    return _reconstruction(solved, view, variant, method, extra)


def _reconstruction(solved: Demixed, view: View, variant: str, method: str, extra: str) -> Reconstruction:
    return Reconstruction(
        unmixed(solved.images, view),
        solved.members,
        solved.coefficients,
        solved.confidence,
        variant,
        f"{method} on the unmasked mixtures gives {len(solved.images)} private images{extra}.",
        solved.diagnostics | {"median_noise": float(np.median(solved.noise))},
    )


def by_stages(u: NDArray[np.float32], labels: FloatArray | None, view: View, ctx: Context) -> Reconstruction | None:
    """By the stages of the attack `unmix`, with the masks known; None where they do not apply.

    They group by squares and mixtures together, and judge an encoding by images that it had no part in.
    """
    mixtures = View(encodings=u, labels=labels, image_range=view.image_range, hints=view.hints)
    recipe = Unmix()
    try:
        state = start(mixtures, ctx, signs=np.sign(u))
        told = state.observed.slots.informative
        state = recipe.stages(recipe.solve(state, ctx), ctx, "restoration")
    except NotApplicable:
        return None
    assigned, recovered, restored = state.require(Assigned), state.require(Recovered), state.require(Restored)
    facts = {k: v for r in state.records if r.name in ("grouping", "sharpening") for k, v in r.diagnostics.items()}
    recurring = facts.get("recurring_public_images")
    extra = f", beside {recurring:,} public images seen to recur" if recurring else ""
    noise = recovered.estimate.noise.cpu().numpy().astype(np.float64)
    return Reconstruction(
        restored.images,
        assigned.members,
        assigned.coefficients,
        # where masks and coefficients are certain, variances say more than a network that was taught by uncertain ones
        recovered.confidence if told and recovered.confidence is not None else restored.confidence,
        "signed",
        "Grouping and least squares with weights from place to place on the unmasked mixtures gives "
        f"{len(restored.images)} private images{extra}.",
        facts | {"median_noise": float(np.median(np.sqrt(noise)))},
    )


def _one_each(u: NDArray[np.float32], labels: FloatArray | None, knowns: Knowns, ctx: Context) -> Reconstruction:
    """One candidate per encoding: the mixture, less the public images in it where the public set is known."""
    variant, diagnostics = "mixtures", dict[str, Any](images=len(u))
    sentence = "The unmasked mixtures are returned as they are: no two were seen to share an image."
    if (public := knowns.public) is not None:
        rest = 1 - labels.sum(1).astype(np.float64) if labels is not None else np.full(len(u), 0.7)
        fit = fit_public(u, rest, public, progress=ctx.progress)
        fit = fit_public(u, rest, public, fit, progress=ctx.progress)
        share = 1 - fit.weight.sum(1)
        private = (u.reshape(len(u), -1) - fit.part(public.public, slice(None))).reshape(u.shape)
        u = private / np.clip(share, 0.05, 1)[:, None, None, None].astype(np.float32)
        diagnostics["public_images_per_encoding"] = float((fit.index >= 0).sum(1).mean())
        variant = "mixtures-less-public"
        sentence = "The unmasked mixtures are returned with the public images recognised in them taken out."
    members = np.arange(len(u), dtype=np.int64)[:, None]
    return Reconstruction(unmixed(u, knowns.view), members, None, None, variant, sentence, diagnostics)
