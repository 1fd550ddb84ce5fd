"""The strongest attack on releases with several encodings per image: unmask by network, group, solve, restore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ihaudit.attacks.numerics.parallel import hand_back
from ihaudit.attacks.recipe import Recipe, start
from ihaudit.attacks.stages.state import Moving, State
from ihaudit.contracts.attack import attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View

#: times that the assignment is re-estimated from the reconstructions at most, by profile
ROUNDS = {"quick": 3, "standard": 5, "full": 8}
#: up to so many encodings a round is cheap: at least five then
FEW = 3000
#: a round that changes the members of fewer encodings than this is the last
SETTLED = 0.03
#: the same where images move: the faintest members have many motions to choose from, and never settle
SETTLED_MOVING = 0.08
#: and times that it is re-estimated at most, where a round is cheap
MOVING_ROUNDS = 8
#: in the profile quick a round is the last, where images move, that changes fewer than this share of encodings and not
#: much fewer than the one before (measured: purity of clusters rose by 0.002 in the four rounds that follow)
LITTLE, STANDS = 0.2, 0.85


@attack("unmix")
@dataclass(frozen=True)
class Unmix(Recipe):
    """Recovers masks with a network, which makes the rest of the attack of Carlini et al. linear.

    A network guesses the sign mask of every encoding by itself; the mixtures are grouped by image together with their
    squares, and all images follow from one least squares.  What they predict is shown to the network, which then gets
    nearly all signs right, and encodings are assigned again.  At last public images that recur are unknowns beside the
    private ones, and weights differ from place to place.

    Where pairs of encodings, or the fit of the first images, show that images were moved anew for every use (mirrored,
    cropped, stretched, turned), every stage solves for the motions too.
    """

    similarity: str = "unmasked"
    grouping: str = "signed"
    coefficients: str = "labels"
    assignment: str = "signed"
    recovery: str = "unmask"
    sharpening: str = "local"
    restoration: str = "network"

    title: ClassVar[str] = "Mask recovery and learned prior"
    reference: ClassVar[str] = "Carlini et al. 2021, sections 4 and 4.8.1, combined"
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")
    copies: ClassVar[float] = 28.0

    def begin(self, view: View, ctx: Context) -> State:
        """See `Recipe.begin`; in half precision where encodings are many."""
        return start(view, ctx, compact=True)

    def stages(self, state: State, ctx: Context, *names: str) -> State:
        """See `Recipe.stages`."""
        for name in names:
            state = super().stages(state, ctx, name)
            if state.observed.values.dtype == torch.float16:
                hand_back()
        return state

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`; with known masks (`start`) no stage estimates them."""
        state = self.stages(state, ctx, "similarity", "grouping", "coefficients", "recovery")
        few = len(state.observed.values) <= FEW
        least = 5 if few else 0
        before = 1.0
        for done in range(max(*ROUNDS.values(), MOVING_ROUNDS)):
            moving = state.find(Moving) is not None  # the first assignment may see it
            if moving:
                least = MOVING_ROUNDS if few else 5
            if done >= max(ROUNDS[ctx.profile], least):
                break
            state = self.stages(state, ctx, "assignment")
            changed = state.records[-1].diagnostics.get("changed", 1.0)
            if changed > 0:
                state = self.stages(state, ctx, "recovery")
            if changed < (SETTLED_MOVING if moving else SETTLED):
                break
            stands = LITTLE > changed > STANDS * before
            if moving and stands and done >= ROUNDS["quick"] and ctx.profile == "quick":
                break
            before = changed
        return self.stages(state, ctx, "sharpening")
