"""Ordinary least squares for releases without a sign mask (MixUp, noise added to images, the images themselves)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ihaudit.attacks.phase import answer, prepare
from ihaudit.attacks.stages.grouping.copies import singletons
from ihaudit.attacks.stages.state import run_stage
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.scheme import Knowledge


@attack("least-squares")
@dataclass(frozen=True)
class LeastSquares:
    """Groups encodings in the linear model and solves for all private images at once."""

    similarity: str = "linear"
    grouping: str = "anneal"
    coefficients: str = "labels"
    assignment: str = "linear"
    recovery: str = "least-squares"
    restoration: str = "none"

    id: ClassVar[str] = "least-squares"
    title: ClassVar[str] = "Least squares on releases without a sign mask"
    reference: ClassVar[str] = "Carlini et al. 2021, section 4.5.3"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS})
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        state = prepare(view, ctx, absolute=False)
        if state.mask == "masked" or (state.mask == "absolute" and state.image_range[0] < 0):
            raise NotApplicable("the signs of neighbouring pixels are independent: there is a sign mask, or no image")
        if (alone := singletons(state)) is not None:
            return answer(alone)
        state = run_stage(state, ctx, "similarity", self.similarity)
        state = run_stage(state, ctx, "grouping", self.grouping)
        state = run_stage(state, ctx, "coefficients", self.coefficients)
        for _ in range(2):
            state = run_stage(state, ctx, "assignment", self.assignment)
        state = run_stage(state, ctx, "recovery", self.recovery)
        state = run_stage(state, ctx, "restoration", self.restoration)
        return answer(state)
