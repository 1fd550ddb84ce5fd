"""Encodings and similar images, none of which belong together: the encoder that makes the ones look like the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.unpaired.linear import affine
from ihaudit.attacks.numerics.unpaired.places import grids, patches, recurring
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.threads import one_thread
from ihaudit.scheme import Knowledge

#: similar images needed at least
FEWEST_SIMILAR = 200
#: directions of an encoding's vectors at most, by profile
DIRECTIONS = {"quick": 48, "standard": 64, "full": 200}
#: how much likelier than patches without neighbours pictures must be, as a share of what similar ones are
FITS = 0.8


@attack("unpaired")
@dataclass(frozen=True)
class Unpaired:
    """Finds the affine map that made a vector of every patch, from how vectors and patches are distributed.

    Vectors and patches of similar images are made white, so that they differ by a rotation; what a rotation carries
    along (means weighted by lengths, covariances between places) gives a first one in closed form.  The likelihood of
    windows of neighbouring patches sharpens it, past the maps that are nearly as likely.  The same search on similar
    images says how good the pictures are expected to be.
    """

    title: ClassVar[str] = "A one-layer encoder from encodings and similar images, without pairs"
    reference: ClassVar[str] = "blind source separation (Belouchrani et al. 1997); unpaired attacks FORA, SIA-GAN"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS, Knowledge.DISTRIBUTION})
    profiles: ClassVar[tuple[str, ...]] = ("standard", "full")
    costly: ClassVar[bool] = True

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        if view.similar is None or len(view.similar) < FEWEST_SIMILAR:
            raise NotApplicable(f"fewer than {FEWEST_SIMILAR} similar images: what pictures are like is not known")
        similar = np.asarray(view.similar[ctx.rng("similar").permutation(len(view.similar))], np.float32)
        vectors = _vectors(np.asarray(view.encodings, np.float32), similar)
        if vectors is None:
            raise NotApplicable("encodings do not hold a vector for every patch of the image")
        ctx.progress("search", 0.0)
        with one_thread():
            found = affine(
                vectors,
                similar,
                DIRECTIONS[ctx.profile],
                ctx.rng("search"),
                lambda done: ctx.progress("search", done),
            )
        if found is None:
            raise NotApplicable("no affine map of patches makes such vectors, or there are too few of them")
        if found.fit < FITS:
            raise NotApplicable(f"no affine map makes neighbouring patches of the vectors (they fit {found.fit:.0%})")
        count = len(found.pictures)
        expected = found.expected * min(1.0, found.fit)
        marks = " and adds a vector of its own at every place" if found.marked else ""
        return AttackOutput(
            images=np.clip(found.pictures, 0, 1).astype(np.float32),
            members=np.arange(count, dtype=np.int64)[:, None],
            confidence=np.full(count, np.clip(expected, 0, 1), np.float32),
            diagnostics={
                "directions": found.directions,
                "fit": round(found.fit, 3),
                "expected_ssim": round(expected, 3),
                "marked": found.marked,
            },
            sentence=(
                f"The encoder is an affine map of patches{marks}: how {count} encodings and similar images are "
                f"distributed gives it away without a pair; the same search on similar images reaches SSIM "
                f"{found.expected:.2f}."
            ),
        )


def _vectors(encodings: NDArray[np.float32], similar: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """A vector for each patch, float32 (n, rows, columns, d); of encodings like pictures, their blocks."""
    h, w, c = similar.shape[1:]
    if encodings.shape[1:] != (h, w, c):
        return grids(encodings, h, w)
    block = recurring(encodings)
    return None if block is None else patches(encodings, block)
