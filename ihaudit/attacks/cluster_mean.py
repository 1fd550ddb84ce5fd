"""The simplest attack: average the encodings of each cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ihaudit.attacks.recipe import Recipe, start, unmasked
from ihaudit.attacks.stages.grouping.copies import ALONE, each_alone
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable


@attack("cluster-mean")
@dataclass(frozen=True)
class ClusterMean(Recipe):
    """Mean of |encodings| over each cluster, or of the encodings themselves where there is no sign mask.

    So are noisy copies of each image (`recurring`) averaged.
    """

    similarity: str = "squares"
    grouping: str = "anneal"
    coefficients: str = "labels"
    recovery: str = "mean"
    restoration: str = "stretch"

    title: ClassVar[str] = "Mean of encodings that share an image"
    reference: ClassVar[str] = "Carlini et al. 2021, section 4.5.1"
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")

    def begin(self, view: View, ctx: Context) -> State:
        """See `Recipe.begin`."""
        state = start(view, ctx, keep_signs=True, copies=True)
        if unmasked(state.observed.mask, view) and each_alone(state):
            raise NotApplicable(ALONE)
        return state

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`."""
        return self.stages(state, ctx, "similarity", "grouping", "coefficients", "recovery")

    def variant(self, name: str, state: State) -> str:
        """See `Recipe.variant`: encodings without a sign mask are compared and shown as they are."""
        plain = {("similarity", "squares"): "linear", ("restoration", "stretch"): "none"}
        chosen = super().variant(name, state)
        bare = unmasked(state.observed.mask, state.observed.view)
        return plain.get((name, chosen), chosen) if bare else chosen
