"""Reconstruction with the public set known: phase retrieval, then the public images in every encoding, then an exact
system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ihaudit.attacks.phase import Phase
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.public.identify import check_public_set
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.scheme import Knowledge


@attack("phase-public")
@dataclass(frozen=True)
class PhasePublic(Phase):
    """The stages of `phase`, then `public=identify`: matched filters over the public set, joint fits, exact solution.

    Carlini et al. 2021, 4.8.1 and appendix B, for masks that are secret: these are inferred with everything else.
    No trained network takes part; `unmix-public` begins with those of `unmix`, and needs fewer encodings per image.
    """

    public: str = "identify"
    restoration: str = "oriented"

    title: ClassVar[str] = "Phase retrieval, public set known"
    reference: ClassVar[str] = "Carlini et al. 2021, sections 4.8.1 and B"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS, Knowledge.PUBLIC_SET})
    profiles: ClassVar[tuple[str, ...]] = ("standard", "full")

    def begin(self, view: View, ctx: Context) -> State:
        """See `Recipe.begin`."""
        state = start(view, ctx)
        check_public_set(state)
        return state

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`."""
        return self.stages(super().solve(state, ctx), ctx, "public")
