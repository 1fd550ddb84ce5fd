"""Ordinary least squares for releases without a sign mask (MixUp, noise added to images, the images themselves)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ihaudit.attacks.numerics.sizes import fewer_images
from ihaudit.attacks.recipe import Recipe, start
from ihaudit.attacks.stages.grouping.copies import ALONE, each_alone
from ihaudit.attacks.stages.state import Grouped, Recovered, State
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
        state = start(view, ctx, keep_signs=True, copies=True)
        if state.observed.mask == "masked" or (state.observed.mask == "absolute" and view.image_range[0] < 0):
            raise NotApplicable("the signs of neighbouring pixels are independent: there is a sign mask, or no image")
        if each_alone(state):
            raise NotApplicable(ALONE)
        return state

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`.

        Clusters of mixtures without noise gain by every split, so grouping may find several times as many images as
        there are.  A smaller number that the label counts allow is right where fewer images explain more.
        """
        solved = self._solved(state, ctx)
        for per_class in fewer_images(state.observed.slots, solved.require(Grouped).sizes):
            trial = self._solved(_stated(state, int(per_class.sum())), ctx)
            if trial.require(Recovered).estimate.residual_rms >= solved.require(Recovered).estimate.residual_rms:
                break
            grouped = trial.require(Grouped)
            sizes = replace(grouped.sizes, source=solved.require(Grouped).sizes.source)
            records = tuple(
                r.model_copy(update={"diagnostics": {**r.diagnostics, **sizes.facts}}) if r.name == "grouping" else r
                for r in trial.records
            )
            solved = replace(trial, observed=state.observed, records=records).having(replace(grouped, sizes=sizes))
        return solved

    def _solved(self, state: State, ctx: Context) -> State:
        return self.stages(state, ctx, "similarity", "grouping", "coefficients", "assignment", "assignment", "recovery")


def _stated(state: State, n_private: int) -> State:
    """The state of a release that states its number of private images."""
    view = replace(state.observed.view, hints={**state.observed.view.hints, "n_private": n_private})
    return replace(state, observed=replace(state.observed, view=view))
