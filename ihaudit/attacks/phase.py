"""Training-free reconstruction from encodings and labels: grouping by squares, then multi-image phase retrieval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ihaudit.attacks.recipe import Recipe
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.attack import attack
from ihaudit.contracts.context import Context

#: times that the assignment is re-estimated from the reconstructions, by profile
ROUNDS = {"quick": 1, "standard": 2, "full": 3}


@attack("phase")
@dataclass(frozen=True)
class Phase(Recipe):
    """Groups encodings by whitened squares, pairs them, and retrieves all images and masks jointly.

    Carlini et al. 2021, section 4, with both networks replaced by statistics: similarity, cliques and assignment by EM
    on squares, equation (3) by folded-normal EM from a spectral start.
    """

    similarity: str = "squares"
    grouping: str = "anneal"
    coefficients: str = "labels"
    assignment: str = "likelihood"
    recovery: str = "em"
    restoration: str = "none"

    title: ClassVar[str] = "Grouping and phase retrieval"
    reference: ClassVar[str] = "Carlini et al. 2021, section 4"
    profiles: ClassVar[tuple[str, ...]] = ("standard", "full")

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`."""
        state = self.stages(state, ctx, "similarity", "grouping", "coefficients", "recovery")
        for _ in range(ROUNDS[ctx.profile]):
            state = self.stages(state, ctx, "assignment", "recovery")
        return state
