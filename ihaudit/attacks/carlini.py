"""The published attack on InstaHide, stage by stage (Carlini et al. 2021, section 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ihaudit.attacks.numerics.graph import edge_sample
from ihaudit.attacks.own.networks import own_networks
from ihaudit.attacks.phase import answer, prepare
from ihaudit.attacks.stages.state import State, as_images, run_stage, to_rows
from ihaudit.contracts.attack import AttackOutput, StageEvidence, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.scheme import Knowledge

#: assignments that compare encodings with reconstructions, so recovery comes first and is repeated after them
NEED_IMAGES = frozenset({"likelihood", "linear"})
#: ways of recovery that use the signs of a release without masks; the others expect moduli
TAKE_SIGNS = frozenset({"gradient", "gradient-spectral", "least-squares", "least-squares-eq1", "mean"})
#: pairs of encodings that are handed to the scorer with their similarity
PAIRS = 40_000


@attack("carlini")
@dataclass(frozen=True)
class Carlini:
    """Similarity network, cliques, membership network, min-cost flow, lambdas from labels, eq. (3), recolouring.

    Departures from the paper, each behind a stage that can be swapped: labels say which sets an encoding can belong
    to; eq. (3) is given what makes it work (`recovery=gradient-zero` is the published way).  The networks ship for
    32 x 32 x 3; with the option ``train`` the attack trains its own for other shapes.
    """

    similarity: str = "network"
    grouping: str = "cliques"
    membership: str = "network"
    assignment: str = "flow"
    coefficients: str = "labels"
    recovery: str = "gradient"
    restoration: str = "recolour73"

    id: ClassVar[str] = "carlini"
    title: ClassVar[str] = "The published attack on InstaHide: pair networks, cliques, flow, equation (3)"
    reference: ClassVar[str] = "Carlini et al. 2021, section 4"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS})
    profiles: ClassVar[tuple[str, ...]] = ("standard", "full")
    #: `--train` is for it
    trains: ClassVar[bool] = True

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        state, evidence = self.recover(view, ctx)
        state = run_stage(state, ctx, "restoration", self.restoration)
        out = answer(state)
        out.evidence = evidence
        return out

    def recover(self, view: View, ctx: Context) -> tuple[State, StageEvidence]:
        """Everything before restoration, and what the scorer needs to judge the early stages."""
        state, evidence = self.assign(view, ctx)
        state = run_stage(state, ctx, "recovery", self.recovery)
        if self.assignment in NEED_IMAGES:
            state = run_stage(state, ctx, "assignment", self.assignment)
            state = run_stage(state, ctx, "recovery", self.recovery)
        return state, evidence

    def group(self, state: State, ctx: Context) -> tuple[State, StageEvidence]:
        """What the networks are for: similarity, grouping, membership."""
        state = run_stage(state, ctx, "similarity", self.similarity)
        state = run_stage(state, ctx, "grouping", self.grouping)
        evidence = evidence_of(state, ctx)
        return run_stage(state, ctx, "membership", self.membership), evidence

    def assign(self, view: View, ctx: Context) -> tuple[State, StageEvidence]:
        """Everything before recovery."""
        state = prepare(view, ctx, absolute=True)
        if "network" in (self.similarity, self.membership):
            with own_networks(view, state, ctx) as inner:
                state, evidence = self.group(state, inner)
        else:
            state, evidence = self.group(state, ctx)
        if self.assignment not in NEED_IMAGES:
            state = run_stage(state, ctx, "assignment", self.assignment)
        state = run_stage(state, ctx, "coefficients", self.coefficients)
        # the graph is as large as the release and has done its work
        state = replace(state, graph=None, features=None, weight=None, embedding=None)
        if state.mask == "signed" and self.recovery in TAKE_SIGNS:  # no mask: here are the encodings themselves
            values, _ = to_rows(as_images(view), ctx.device, absolute=False)
            state = replace(state, values=values)
        return state, evidence


def evidence_of(state: State, ctx: Context) -> StageEvidence:
    """What similarity and grouping found: a bounded sample of pairs with their log odds, and the sets."""
    first = second = scores = None
    if state.graph is not None:
        first, second, scores = edge_sample(state.graph, PAIRS, ctx.rng("pairs"))
    sets = state.cliques
    if sets is None and state.members is not None:
        sets = _sets(state.members, state.unknowns)
    return StageEvidence(first, second, scores, sets)


def _sets(members: np.ndarray, unknowns: int) -> np.ndarray:
    """int64 (R, n): the encodings of each set, -1 beyond its end."""
    rows = [np.nonzero((members == r).any(1))[0] for r in range(unknowns)]
    out = np.full((unknowns, max((len(r) for r in rows), default=0)), -1, np.int64)
    for line, r in zip(out, rows, strict=True):
        line[: len(r)] = r
    return out
