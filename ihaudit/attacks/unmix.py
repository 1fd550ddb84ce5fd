"""The strongest attack on releases with several encodings per image: unmask by network, group, solve, restore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ihaudit.attacks.phase import answer, prepare
from ihaudit.attacks.stages.state import State, run_stage
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.scheme import Knowledge

#: times that the assignment is re-estimated from the reconstructions at most, by profile
ROUNDS = {"quick": 3, "standard": 5, "full": 8}
#: up to so many encodings a round is cheap: at least five then
FEW = 3000
#: a round that changes the members of fewer encodings than this is the last
SETTLED = 0.03


@attack("unmix")
@dataclass(frozen=True)
class Unmix:
    """Recovers masks with a network, which makes the rest of the attack of Carlini et al. linear.

    A network guesses the sign mask of every encoding by itself; the mixtures are grouped by image together with their
    squares, and all images follow from one least squares.  What they predict is shown to the network, which then gets
    nearly all signs right, and encodings are assigned again.  At last public images that recur are unknowns beside the
    private ones, and weights differ from place to place.
    """

    similarity: str = "unmasked"
    grouping: str = "signed"
    coefficients: str = "labels"
    assignment: str = "signed"
    recovery: str = "unmask"
    sharpening: str = "local"
    restoration: str = "network"

    id: ClassVar[str] = "unmix"
    title: ClassVar[str] = "Reconstruction with a mask recovery network and a learned image prior"
    reference: ClassVar[str] = "Carlini et al. 2021, sections 4 and 4.8.1, combined"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS})
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        return answer(run_stage(self.solve(view, ctx), ctx, "restoration", self.restoration))

    def solve(self, view: View, ctx: Context) -> State:
        """Everything but the restoration."""
        return self.solve_state(prepare(view, ctx, absolute=True), ctx)

    def solve_state(self, state: State, ctx: Context) -> State:
        """Everything but the restoration, from a state of its own (`masks_known`: signs are given)."""
        state = run_stage(state, ctx, "similarity", self.similarity)
        state = run_stage(state, ctx, "grouping", self.grouping)
        state = run_stage(state, ctx, "coefficients", self.coefficients)
        state = run_stage(state, ctx, "recovery", self.recovery)
        rounds = ROUNDS[ctx.profile]
        for _ in range(rounds if len(state.values) > FEW else max(rounds, 5)):
            state = run_stage(state, ctx, "assignment", self.assignment)
            changed = state.records[-1].diagnostics.get("changed", 1.0)
            if changed > 0:
                state = run_stage(state, ctx, "recovery", self.recovery)
            if changed < SETTLED:
                break
        return run_stage(state, ctx, "sharpening", self.sharpening)
