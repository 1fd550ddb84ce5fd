"""`unmix` with the public set known: few encodings per image are enough to solve for images exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ihaudit.attacks.stages.public.identify import check_public_set
from ihaudit.attacks.stages.recovery.private_alone import SOURCE
from ihaudit.attacks.stages.state import Grouped, Moving, State
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.scheme import Knowledge


@attack("unmix-public")
@dataclass(frozen=True)
class UnmixPublic(Unmix):
    """The stages of `unmix`, then `public=identify`, which finds the public images in every encoding.

    An encoding whose public images are known is free of noise, so that two of them tell their private image, where
    `unmix` needs twenty, also where it was shifted and mirrored anew for every use.  Carlini et al. 2021, 4.8.1 and
    appendix B, for masks that are secret.  Images that are not made exact by this are answered as `unmix` restores
    them.
    """

    public: str = "identify"
    restoration: str = "explained"

    title: ClassVar[str] = "Mask recovery, public set known"
    reference: ClassVar[str] = "Carlini et al. 2021, sections 4.8.1 and B, on mask recovery"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS, Knowledge.PUBLIC_SET})

    def begin(self, view: View, ctx: Context) -> State:
        """See `Recipe.begin`."""
        state = super().begin(view, ctx)
        check_public_set(state)
        return state

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `Unmix.run`; as `unmix` where images were moved anew for every use, but for whole pixels and mirrors."""
        output = super().run(view, ctx)
        if output.augmentation is None or any(stage.name == "public" for stage in output.stages):
            return output
        said = " Public images are not looked for where images were moved by parts of pixels."
        return replace(output, sentence=output.sentence + said)

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`."""
        state = super().solve(state, ctx)
        if _alone(state):
            return state
        return self.stages(state.run(ctx, "restoration", "network"), ctx, "public")

    def variant(self, name: str, state: State) -> str:
        """See `Recipe.variant`."""
        return "network" if name == "restoration" and _alone(state) else super().variant(name, state)


def _alone(state: State) -> bool:
    """Whether no public image is looked for: images moved by parts of pixels, which no least squares tells exactly, or
    nothing public was mixed in."""
    moving = state.find(Moving)
    return (moving is not None and not moving.motions.whole) or state.require(Grouped).sizes.source == SOURCE
