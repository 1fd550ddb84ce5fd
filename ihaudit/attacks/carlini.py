"""The published attack on InstaHide, stage by stage (Carlini et al. 2021, section 4)."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.graph import edge_sample
from ihaudit.attacks.numerics.pictures import to_rows
from ihaudit.attacks.own.networks import own_networks
from ihaudit.attacks.recipe import Recipe, as_images
from ihaudit.attacks.stages.state import Assigned, Features, Grouped, Pairs, State
from ihaudit.contracts.attack import StageEvidence, attack
from ihaudit.contracts.context import Context

#: assignments that compare encodings with reconstructions, so recovery comes first and is repeated after them
NEED_IMAGES = frozenset({"likelihood", "linear"})
#: ways of recovery that use the signs of a release without masks; the others expect moduli
TAKE_SIGNS = frozenset({"gradient", "gradient-spectral", "least-squares", "least-squares-eq1", "mean"})
#: pairs of encodings that are handed to the scorer with their similarity
PAIRS = 40_000


@attack("carlini")
@dataclass(frozen=True)
class Carlini(Recipe):
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

    title: ClassVar[str] = "Published attack on InstaHide"
    reference: ClassVar[str] = "Carlini et al. 2021, section 4"
    profiles: ClassVar[tuple[str, ...]] = ("standard", "full")
    #: `--train` is for it
    trains: ClassVar[bool] = True

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`."""
        state = self.stages(self.assign(state, ctx), ctx, "recovery")
        if self.assignment in NEED_IMAGES:
            state = self.stages(state, ctx, "assignment", "recovery")
        return state

    def assign(self, state: State, ctx: Context) -> State:
        """Everything before recovery."""
        networks = "network" in (self.similarity, self.membership)
        with own_networks(state, ctx) if networks else nullcontext((state, ctx)) as (first, inner):
            state = self.stages(first, inner, "similarity", "grouping", "membership")
        state = replace(state, evidence=evidence_of(state, ctx))
        if self.assignment not in NEED_IMAGES:
            state = self.stages(state, ctx, "assignment")
        # the graph is as large as the release and has done its work
        state = self.stages(state, ctx, "coefficients").without(Pairs, Features)
        observed = state.observed
        if observed.mask == "signed" and self.recovery in TAKE_SIGNS:  # no mask: here are the encodings themselves
            values = to_rows(as_images(observed.view), ctx.device)
            state = replace(state, observed=replace(observed, values=values))
        return state


def evidence_of(state: State, ctx: Context) -> StageEvidence:
    """What similarity and grouping found: a bounded sample of pairs with their log odds, and the sets."""
    first = second = scores = None
    if (pairs := state.find(Pairs)) is not None:
        first, second, scores = edge_sample(pairs.graph, PAIRS, ctx.rng("pairs"))
    grouped = state.require(Grouped)
    sets = grouped.cliques
    if sets is None:
        sets = _sets(state.require(Assigned).members, grouped.unknowns)
    return StageEvidence(first, second, scores, sets)


def _sets(members: NDArray[np.int64], unknowns: int) -> NDArray[np.int64]:
    """int64 (R, n): the encodings of each set, -1 beyond its end."""
    rows = [np.nonzero((members == r).any(1))[0] for r in range(unknowns)]
    out = np.full((unknowns, max((len(r) for r in rows), default=0)), -1, np.int64)
    for line, r in zip(out, rows, strict=True):
        line[: len(r)] = r
    return out
