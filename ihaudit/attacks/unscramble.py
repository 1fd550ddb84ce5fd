"""Encodings alone: pictures whose pixels are in one secret order, put together by how positions vary together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.known_pairs.learn import smoothness
from ihaudit.attacks.numerics.layout.pictures import normalised
from ihaudit.attacks.numerics.layout.solve import unscramble
from ihaudit.attacks.numerics.values import in_range
from ihaudit.attacks.numerics.words import up_to
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.scheme import Knowledge

#: embeddings tried, and similar images used, by profile
STARTS = {"quick": 3, "standard": 6, "full": 6}
SIMILAR = {"quick": 5000, "standard": 10000, "full": 10000}
#: fewest encodings whose positions can be told apart, and fewest similar images that show what pictures are like
FEWEST, FEWEST_SIMILAR = 20, 100
#: most pixels of a picture: the cost grows with their cube
MOST_PIXELS = {"quick": 1600, "standard": 2500, "full": 4096}
#: encodings this smooth, as a share of similar images' smoothness, are pictures already
PICTURES = 0.7
#: positions vary together as pixels do where the most correlated ones do so at least this much, as a share of pixels
TOGETHER = 0.7
#: images that smoothness and correlations are looked at in
LOOKED_AT = 200


@attack("unscramble")
@dataclass(frozen=True)
class Unscramble:
    """Finds the order of the pixels that all images of a release were put in, without a known image or the code.

    Positions that vary together over the release are neighbours.  Their correlations are laid out in the plane, and
    the layout is then bent and sharpened until the pictures are as likely as possible under the covariance of similar
    images, which also tells them from their mirror images.
    """

    title: ClassVar[str] = "Secret order of pixels"
    reference: ClassVar[str] = "ciphertext-only attack; Isomap of correlations, then Gaussian likelihood of pictures"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS, Knowledge.DISTRIBUTION})
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")
    #: controls are too small for it: 20 images do not show which positions are neighbours
    control: ClassVar[bool] = False

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        similar, released = _inputs(view, ctx)
        ctx.progress("lay out", 0.0)
        found = unscramble(
            released,
            similar,
            ctx.rng("layout"),
            STARTS[ctx.profile],
            lambda share: ctx.progress("lay out", share),
        )
        out = np.empty_like(released)
        out[:, found.pixel] = released
        images = np.clip(in_range(out, similar), 0, 1).reshape(len(out), *similar.shape[1:])
        expected = float(np.clip(found.expected, 0, 1))
        diagnostics: dict[str, Any] = {
            "neighbours_less_alike_than_in_similar_images": round(found.excess, 4),
            "probability_that_it_is_not_mirrored_or_turned": round(found.upright, 4),
            "expected_ssim": round(expected, 3),
            "starts": found.starts,
        }
        return AttackOutput(
            images=images.astype(np.float32),
            members=np.arange(len(out), dtype=np.int64)[:, None],
            confidence=np.full(len(out), expected, np.float32),
            diagnostics=diagnostics,
            sentence=(
                f"The correlations between the positions of {len(out)} encodings give away where each position lies in "
                f"the picture: neighbours are {_compared(found.excess)} (expected SSIM {expected:.2f}; "
                f"{found.upright:.0%} sure that nothing is mirrored or turned){up_to(found.ambiguity)}."
            ),
            ambiguity=found.ambiguity,
        )


def _compared(excess: float) -> str:
    if excess < 0.05:
        return "as alike as in similar images"
    return f"{excess:.0%} less alike than in similar images"


def _inputs(view: View, ctx: Context) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Similar images (S, H, W, C) and encodings (E, P, C); refuses releases of other kinds, in well under a second."""
    if view.similar is None or len(view.similar) < FEWEST_SIMILAR:
        raise NotApplicable(f"fewer than {FEWEST_SIMILAR} similar images: what pictures are like is not known")
    encodings = view.encodings
    h, w, c = view.similar.shape[1:]
    if encodings[0].size != h * w * c or encodings.shape[-1] not in (c, h * w * c, w * c):
        raise NotApplicable(
            f"an encoding is not {h} x {w} pixels of {c} values, so that it cannot be one in another order"
        )
    if h * w > MOST_PIXELS[ctx.profile]:
        raise NotApplicable(f"pictures of more than {MOST_PIXELS[ctx.profile]} pixels are left to a larger profile")
    if len(encodings) < FEWEST:
        raise NotApplicable(f"fewer than {FEWEST} encodings: correlations between positions are not known")
    some = np.asarray(view.similar[:LOOKED_AT], np.float32)
    looked = np.asarray(encodings[:LOOKED_AT], np.float32).reshape(-1, h, w, c)
    if smoothness(looked) > PICTURES * smoothness(some):
        raise NotApplicable("encodings are as smooth as pictures: their pixels are not out of order")
    n = min(len(looked), len(some))
    if _together(looked[:n]) < TOGETHER * _together(some[:n]):
        raise NotApplicable("positions of the encodings do not vary together as the pixels of pictures do")
    chosen = ctx.rng("similar").permutation(len(view.similar))[: SIMILAR[ctx.profile]]
    released = np.asarray(encodings, np.float32).reshape(len(encodings), h * w, c)
    return np.asarray(view.similar[np.sort(chosen)], np.float32), released


def _together(images: NDArray[np.float32]) -> float:
    """Median over pixels of the correlation, over images, with the pixel most correlated with it."""
    z = normalised(images.reshape(len(images), -1, images.shape[-1]))
    z = (z - z.mean(0)).transpose(1, 0, 2).reshape(z.shape[1], -1)
    z /= np.maximum(np.sqrt((z**2).sum(1, keepdims=True)), 1e-9)
    correlation = z @ z.T
    np.fill_diagonal(correlation, -1)
    return float(np.median(correlation.max(1)))
