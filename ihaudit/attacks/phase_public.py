"""Reconstruction with the public set known: phase retrieval, then the public images in every encoding, then an exact
system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ihaudit.attacks.phase import Phase
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.state import State
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.attack import attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.scheme import Knowledge


@attack("phase-public")
@dataclass(frozen=True)
class PhasePublic(Phase):
    """The stages of `phase`, then `public=identify`: matched filters over the public set, joint fits, exact solution.

    Carlini et al. 2021, 4.8.1 and appendix B, for masks that are secret: these are inferred with everything else.

    Attributes:
        start: ``phase`` (no trained network; the stages below), or ``unmix``, whose stages then come first instead:
            they need fewer encodings per image.
    """

    start: Literal["phase", "unmix"] = "phase"
    public: str = "identify"
    restoration: str = "oriented"

    title: ClassVar[str] = "Phase retrieval, public set known"
    reference: ClassVar[str] = "Carlini et al. 2021, sections 4.8.1 and B"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS, Knowledge.PUBLIC_SET})
    profiles: ClassVar[tuple[str, ...]] = ("standard", "full")

    def begin(self, view: View, ctx: Context) -> State:
        """See `Recipe.begin`."""
        if view.public_set is None or len(view.public_set) < 2:
            raise NotApplicable("there are no public images to look for")
        state = start(view, ctx)
        c, h, w = state.observed.shape
        if view.public_set.shape[1:] != (h, w, c):
            size, other = (" x ".join(map(str, s)) for s in (view.public_set.shape[1:], (h, w, c)))
            raise NotApplicable(f"public images of {size} were not mixed into encodings of {other}")
        return state

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`."""
        if self.start == "unmix":
            state = Unmix(sharpening="recurring").solve(state, ctx)
        else:
            state = super().solve(state, ctx)
        return self.stages(state, ctx, "public")
