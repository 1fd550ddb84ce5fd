"""Encodings alone: pictures cut into blocks that were moved, turned, negated or recoloured, put together again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.jigsaw.grid import block_edge, roughness
from ihaudit.attacks.numerics.jigsaw.solve import Together, put_together
from ihaudit.attacks.numerics.values import in_range
from ihaudit.attacks.numerics.words import up_to
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.scheme import Knowledge

#: similar images that are used at most, and needed at least
SIMILAR, FEWEST_SIMILAR = 5000, 100
#: encodings that the size of the blocks is read from
LOOKED_AT = 200
#: blocks that are this much smoother inside than similar images are flat: pixelation, not a puzzle
FLAT = 0.1
#: pictures times blocks times motions that are put together one by one, by profile
WORK = {"quick": 160_000, "standard": 1_000_000, "full": 10_000_000}
#: mean SSIM of a picture put together when annealings agreed, when they did not, and of one in a wrong pose (CIFAR-10)
AGREED, ALONE, WRONG_POSE = 0.97, 0.7, 0.2
#: how much worse than those of similar images the edges of a right picture may fit
SLACK = 0.2


@attack("jigsaw")
@dataclass(frozen=True)
class Jigsaw:
    """Puts blocks together so that edges fit, with what similar images are like at every place.

    The size of the blocks shows in the release.  Where all pictures, or all patches of a size, were scrambled in one
    way, edges are compared over all of them; else each picture is a puzzle of its own.  Which of turning, negation and
    recolouring were used is told by likelihood, and so is the pose of the whole.
    """

    title: ClassVar[str] = "Block scrambles put together"
    reference: ClassVar[str] = "jigsaw solvers (Gallagher 2012; Chuman, Kurihara and Kiya 2017), as annealed likelihood"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS, Knowledge.DISTRIBUTION})
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")
    #: controls hold no blocks
    control: ClassVar[bool] = False

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        similar, pictures, block = _inputs(view, ctx)
        ctx.progress("put together", 0.0)
        found = put_together(
            pictures - np.float32(0.5),
            similar,
            block,
            ctx.rng("arrange"),
            WORK[ctx.profile],
            lambda share: ctx.progress("put together", share),
        )
        if found is None:
            raise NotApplicable(f"blocks of {block} x {block} pixels do not fit together")
        count = len(found.pictures)
        members = np.full((len(pictures), 1), -1, np.int64)
        members[:count, 0] = np.arange(count)
        # Pictures unlike the similar ones fit a little less well even where all is right.
        assembled = np.where(found.agreed, AGREED, ALONE) * min(1.0, found.fit + SLACK)
        # Similar images that are mirrored more often than not would mislead, so that it is never ruled out.
        unsure = "turned" in found.words and not found.fresh
        pose = np.minimum(1.0, found.pose / max(found.upright, 0.5)) if unsure else found.pose
        confidence = pose * assembled + (1 - pose) * np.minimum(WRONG_POSE, assembled)
        ambiguity = ("mirror",) if unsure else ()
        return AttackOutput(
            images=np.clip(found.pictures + np.float32(0.5), 0, 1).astype(np.float32),
            members=members,
            confidence=confidence.astype(np.float32),
            diagnostics={
                "block": found.block,
                "scrambled_in_one_way_inside": found.keyed,
                "afresh_for_every_image": found.fresh,
                "done_to_blocks": found.words or "nothing but moved",
                "fit_of_edges": round(found.fit, 3),
                "annealings_agree": round(float(found.agreed.mean()), 3),
                "pose": round(float(found.pose.mean()), 3),
                "expected_ssim": round(float(confidence.mean()), 3),
                "put_together": count,
                **({} if found.right is None else {"blocks_right": round(found.right, 3)}),
            },
            sentence=_sentence(found, view.similar.shape[1:], float(confidence.mean()), ambiguity)
            if view.similar is not None
            else "",
            ambiguity=ambiguity,
        )


def _sentence(found: Together, shape: tuple[int, ...], expected: float, ambiguity: tuple[str, ...]) -> str:
    done = f" and were {found.words}" if found.words else ""
    if not found.fresh:
        where = "in one way in all images"
    elif found.keyed is None:
        where = "in another way in every image"
    else:
        where = f"in one way inside patches of {found.keyed} x {found.keyed}, which are in another order in every image"
    right = "" if found.right is None else f", with {found.right:.0%} of the blocks right in those scrambled likewise"
    return (
        f"Images were cut into blocks of {found.block} x {found.block} pixels that changed places{done}, {where}; put "
        f"together again, their edges fit {found.fit:.0%} as well as those of similar images{right} (expected SSIM "
        f"{expected:.2f}){up_to(ambiguity)}."
    )


def _inputs(view: View, ctx: Context) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """Similar images (S, H, W, C), encodings as pictures (E, H, W, C) in [0, 1], and the edge of their blocks."""
    if view.similar is None or len(view.similar) < FEWEST_SIMILAR:
        raise NotApplicable(f"fewer than {FEWEST_SIMILAR} similar images: what pictures are like is not known")
    h, w, c = view.similar.shape[1:]
    if view.encodings[0].size != h * w * c:
        raise NotApplicable(f"an encoding does not have the {h} x {w} x {c} values of an image: it is not its blocks")
    some = np.asarray(view.similar[:LOOKED_AT], np.float32)
    ways = _as_pictures(np.asarray(view.encodings, np.float32), h, w, c)
    for way in ways:
        looked = in_range(way[:LOOKED_AT], some)
        block = block_edge(looked, some)
        if block is None:
            continue
        inside = np.concatenate([np.delete(v, np.s_[block - 1 :: block]) for v in roughness(looked)])
        if inside.mean() < FLAT * np.concatenate(roughness(some)).mean():
            raise NotApplicable(f"blocks of {block} x {block} pixels are flat: details are gone, not out of order")
        chosen = ctx.rng("similar").permutation(len(view.similar))[:SIMILAR]
        return np.asarray(view.similar[np.sort(chosen)], np.float32), in_range(way, some), block
    raise NotApplicable("encodings are not made of blocks that are smooth inside and do not fit their neighbours")


def _as_pictures(encodings: NDArray[np.float32], h: int, w: int, c: int) -> list[NDArray[np.float32]]:
    """Ways of seeing encodings as float32 (E, H, W, C): as they are, or tokens that hold one square block each."""
    if encodings.shape[1:] == (h, w, c):
        return [encodings]
    if encodings.ndim != 3:
        return []
    n, tokens, values = encodings.shape
    edge = round((values / c) ** 0.5)
    if edge * edge * c != values or h % edge or w % edge or tokens != (h // edge) * (w // edge):
        return []
    last = encodings.reshape(n, tokens, edge, edge, c)
    first = encodings.reshape(n, tokens, c, edge, edge).transpose(0, 1, 3, 4, 2)
    grids = (v.reshape(n, h // edge, w // edge, edge, edge, c).swapaxes(2, 3) for v in (last, first))
    return [np.ascontiguousarray(g.reshape(n, h, w, c)) for g in grids]
