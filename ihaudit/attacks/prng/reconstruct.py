"""What follows from known masks: orientation, pairing, private images, and with the public set their exact values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.demix import Demixed, demix
from ihaudit.attacks.numerics.local_weights import refine
from ihaudit.attacks.numerics.shared import sharpen
from ihaudit.attacks.numerics.transforms import Whitener
from ihaudit.attacks.prng.exact import EXPLAINED, exact
from ihaudit.attacks.prng.public import Matcher, fit_public, sign_by_public, without_public
from ihaudit.attacks.prng.stream import Unmasked
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.state import Assigned, Restored
from ihaudit.attacks.stages.state import Recovered as Solved
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.release import FloatArray

#: encodings per image below which the learned prior restores images: above, it takes as much as it gives
RESTORED = 30


@dataclass(frozen=True)
class Polarity:
    """Whether the mask bit 1 stands for -1; equations on differences of bits cannot tell."""

    flip: bool
    reason: str


def _scaled(images: FloatArray, view: View) -> NDArray[np.float32]:
    low, high = view.image_range
    return np.asarray(images, np.float32) * np.float32(high - low) + np.float32(low)


def _odd_features(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Statistics that change sign with the image: coarse pixels, their cubes, third moments of differences."""
    n, h, w, c = x.shape
    fh, fw = max(1, h // 4), max(1, w // 4)
    coarse = x[:, : 4 * fh, : 4 * fw].reshape(n, 4, fh, 4, fw, c).mean((2, 4)).reshape(n, -1)
    centred = x - x.mean((1, 2), keepdims=True)
    scale = np.sqrt((centred**2).mean((1, 2, 3), keepdims=True)) + 1e-6
    third = ((centred / scale) ** 3).mean((1, 2))
    steps = [np.diff(x, axis=a) / scale for a in (1, 2)]
    moments = [(d**3).mean((1, 2)) for d in steps]
    return np.concatenate([coarse, coarse**3, third, *moments], 1).astype(np.float64)


def _odd_vote(u: NDArray[np.float32], similar: NDArray[np.float32]) -> tuple[float, float]:
    """(mean score of the mixtures, its standard error): positive where they look like mixtures of similar images.

    The score is the linear discriminant between synthetic mixtures of similar images and their negatives.
    """
    rng = np.random.default_rng(0)
    lam = np.abs(rng.standard_normal((3000, 4)))
    lam /= lam.sum(1, keepdims=True)
    made = np.zeros((3000, *similar.shape[1:]), np.float32)
    for j in range(4):
        made += lam[:, j, None, None, None].astype(np.float32) * similar[rng.integers(0, len(similar), 3000)]
    f = _odd_features(made)
    spread = np.cov(f.T) + 1e-2 * np.diag(f.var(0) + 1e-12)
    score = _odd_features(u[:6000]) @ np.linalg.solve(spread, f.mean(0))
    effective = max(4.0, len(score) / 20)  # mixtures share images: about 20 hang together
    return float(score.mean()), float(score.std() / np.sqrt(effective)) + 1e-12


def orient(unmasked: Unmasked, view: View, matcher: Matcher | None = None) -> Polarity:
    """The sign that all mixtures share: by range, by public or similar images, else by the usual convention."""
    u = unmasked.mixtures[unmasked.known]
    low, high = view.image_range
    if low >= 0 or high <= 0:
        wrong = float(u.mean()) * (1 if low >= 0 else -1) < 0
        return Polarity(wrong, "images of one sign")
    if matcher is not None:
        wrong_by_public = sign_by_public(u[:: max(1, len(u) // 64)][:64], matcher)
        if wrong_by_public is not None:
            return Polarity(wrong_by_public, "public images recognised in the mixtures")
    if view.similar is not None and len(view.similar) >= 200:
        vote, error = _odd_vote(u, _scaled(view.similar[:8192], view))
        if abs(vote) > 4 * error:
            return Polarity(vote < 0, f"odd statistics of similar images ({vote / error:+.0f} standard errors)")
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


def matcher_of(view: View, ctx: Context) -> Matcher | None:
    """The public set, whitened, in the range of the mixtures; None where the adversary does not have it."""
    if view.public_set is None or len(view.public_set) < 2 or view.public_set.shape[1:] != view.encodings.shape[1:]:
        return None
    return Matcher(_scaled(view.public_set, view), ctx.device)


def _more(a: Demixed | None, b: Demixed | None) -> Demixed | None:
    """The one with more images: taking public images out beforehand shows faint private ones, but can lose some."""
    if a is None or b is None:
        return a or b
    return b if len(b.images) > len(a.images) else a


def images_from(unmasked: Unmasked, view: View, ctx: Context, matcher: Matcher | None = None) -> Recovered:
    """Private images where labels allow to separate them; the unmasked mixtures themselves otherwise."""
    low, high = view.image_range
    known = unmasked.known
    u = unmasked.mixtures[known]
    labels = None if view.labels is None else np.asarray(view.labels)[known]
    result: Demixed | None = None
    if labels is not None and len(u) >= 4:
        ctx.progress("grouping unmasked mixtures", None)
        whitener = (
            Whitener(_scaled(view.similar, view)) if view.similar is not None and len(view.similar) > 500 else None
        )
        if matcher is not None and float((1 - labels.sum(1)).mean()) > 0.02:
            result = _more(
                demix(without_public(u, labels, matcher), labels, whitener=matcher.whiten),
                demix(u, labels, whitener=whitener),
            )
        else:
            result = demix(u, labels, whitener=whitener)
    if result is None or labels is None:
        return _singles(u, known, labels, view, ctx, matcher)
    rest = 1 - labels.sum(1).astype(np.float64)
    if matcher is not None and float(rest.mean()) > 0.02:
        method = "Ordinary least squares"
        result, fit = exact(u, labels, result, matcher, progress=ctx.progress)
        variant = "exact"
        extra = (
            f", after {int((fit.index >= 0).sum()):,} public images were recognised in the mixtures and taken out "
            f"(median residual {float(np.median(result.noise)):.1e})"
        )
    else:
        result, variant, method, extra = _blind(result, u, labels, view, ctx)
    members = np.full((len(known), result.members.shape[1]), -1, np.int64)
    members[known] = result.members
    coefficients = np.zeros(members.shape, np.float32)
    coefficients[known] = result.coefficients
    images = ((result.images - low) / (high - low)).clip(0, 1).astype(np.float32)
    return Recovered(
        images,
        variant,
        f"{method} on the unmasked mixtures gives {len(images)} private images{extra}.",
        members=members,
        coefficients=coefficients,
        confidence=result.confidence,
        diagnostics=result.diagnostics | {"median_noise": float(np.median(result.noise))},
    )


def _blind(
    result: Demixed, u: NDArray[np.float32], labels: NDArray[np.floating], view: View, ctx: Context
) -> tuple[Demixed, str, str, str]:
    """Private images without the public set, from what `demix` found or better: the variant, method and what it used.

    Whoever found fewer images gives way; where that is `_grouped`, the sum of expected SSIM decides.
    """
    grouped = None if float(np.median(result.noise)) < EXPLAINED else _grouped(u, labels, view, ctx)
    if grouped is None or len(grouped.images) < len(result.images):
        result = sharpen(result, u, labels, view.image_range)
        result = refine(result, u, labels, view.image_range, ctx.progress)
        if grouped is not None and (
            result.confidence is None
            or grouped.confidence is None
            or result.confidence.sum() >= grouped.confidence.sum()
        ):
            grouped = None
    if grouped is not None:
        result, variant = grouped, "signed"
        method, extra = "Grouping and least squares with weights from place to place", ""
    elif "recurring_public_images" in result.diagnostics:
        variant, method, extra = "local-least-squares", "Least squares with weights from place to place", ""
    elif (pairs := result.diagnostics.get("pairs_sharing_a_public_image")) is not None:
        variant, method = "generalised-least-squares", "Generalised least squares"
        extra = f", given that {pairs:,} pairs of encodings were seen to share a public image"
    else:
        variant, method, extra = "least-squares", "Ordinary least squares", ""
    if recurring := result.diagnostics.get("recurring_public_images"):
        extra = f", beside {recurring:,} public images seen to recur"
    return result, variant, method, extra


def _grouped(u: NDArray[np.float32], labels: NDArray[np.floating], view: View, ctx: Context) -> Demixed | None:
    """Private images by the stages of the attack `unmix`, with the masks known; None where they do not apply.

    They group by squares and mixtures together, and judge an encoding by images that it had no part in: with few
    encodings per image that finds more images than `demix`, and more of their encodings.
    """
    masked = View(encodings=u, labels=labels, image_range=view.image_range, hints=view.hints)
    try:
        state = start(masked, ctx, signs=np.sign(u))
        if not state.observed.slots.informative:
            return None
        recipe = Unmix()
        state = recipe.stages(recipe.solve(state, ctx), ctx, "restoration")
    except NotApplicable:
        return None
    assigned, recovered, restored = state.require(Assigned), state.require(Solved), state.require(Restored)
    images = _scaled(restored.images, view)
    return Demixed(
        images,
        assigned.members,
        assigned.coefficients,
        np.sqrt(recovered.estimate.noise.cpu().numpy().astype(np.float64)),
        np.zeros(len(images), np.int64),
        {k: v for r in state.records if r.name in ("grouping", "sharpening") for k, v in r.diagnostics.items()},
        # where the masks are certain, variances say more than the network that was taught by uncertain ones
        restored.confidence if recovered.confidence is None else recovered.confidence,
    )


def _singles(
    u: NDArray[np.float32],
    known: NDArray[np.bool_],
    labels: NDArray | None,
    view: View,
    ctx: Context,
    matcher: Matcher | None,
) -> Recovered:
    """One candidate per encoding: the mixture, less the public images in it where the public set is known."""
    low, high = view.image_range
    sentence = "The unmasked mixtures are returned as they are: no two were seen to share an image."
    diagnostics: dict[str, Any] = {}
    variant = "mixtures"
    if matcher is not None:
        rest = 1 - labels.sum(1).astype(np.float64) if labels is not None else np.full(len(u), 0.7)
        fit = fit_public(u, rest, matcher, progress=ctx.progress)
        fit = fit_public(u, rest, matcher, fit, progress=ctx.progress)
        share = 1 - fit.weight.sum(1)
        private = (u.reshape(len(u), -1) - fit.part(matcher.public, slice(None))).reshape(u.shape)
        u = private / np.clip(share, 0.05, 1)[:, None, None, None].astype(np.float32)
        diagnostics["public_images_per_encoding"] = float((fit.index >= 0).sum(1).mean())
        variant = "mixtures-less-public"
        sentence = "The unmasked mixtures are returned with the public images recognised in them taken out."
    images = ((u - low) / (high - low)).clip(0, 1).astype(np.float32)
    members = np.full((len(known), 1), -1, np.int64)
    members[known, 0] = np.arange(len(u))
    return Recovered(images, variant, sentence, members=members, diagnostics=diagnostics | {"images": len(images)})
