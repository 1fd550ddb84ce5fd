"""Ordinary least squares for releases without a sign mask (MixUp, noise added to images, the images themselves)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ihaudit.attacks.recipe import Recipe, start
from ihaudit.attacks.stages.grouping.copies import ALONE, each_alone
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable


@attack("least-squares")
@dataclass(frozen=True)
class LeastSquares(Recipe):
    """Groups encodings in the linear model and solves for all private images at once."""

    similarity: str = "linear"
    grouping: str = "anneal"
    coefficients: str = "labels"
    assignment: str = "linear"
    recovery: str = "least-squares"
    restoration: str = "none"

    title: ClassVar[str] = "Least squares without a sign mask"
    reference: ClassVar[str] = "Carlini et al. 2021, section 4.5.3"
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")

    def begin(self, view: View, ctx: Context) -> State:
        """See `Recipe.begin`."""
        state = start(view, ctx, keep_signs=True)
        if state.observed.mask == "masked" or (state.observed.mask == "absolute" and view.image_range[0] < 0):
            raise NotApplicable("the signs of neighbouring pixels are independent: there is a sign mask, or no image")
        if each_alone(state):
            raise NotApplicable(ALONE)
        return state

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`."""
        return self.stages(state, ctx, "similarity", "grouping", "coefficients", "assignment", "assignment", "recovery")
