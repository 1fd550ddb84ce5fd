"""The published attack on InstaHide with data augmentation, stage by stage (Luo et al., AAAI 2022)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ihaudit.attacks.carlini import evidence_of
from ihaudit.attacks.numerics.pair_odds import require_shape
from ihaudit.attacks.recipe import Recipe, start, unmasked
from ihaudit.attacks.stages.state import Features, Pairs, State
from ihaudit.contracts.attack import attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.nn.comparator import Comparator


@attack("fdn")
@dataclass(frozen=True)
class Fdn(Recipe):
    """Comparative network, clustering, filtering, re-weighting, image relaxing and fusion, denoising network.

    Departures from the paper, each behind a stage that can be swapped: the comparative network is told what labels say
    of the coefficients; clusters are cliques put together by k-means, as those of `carlini`; the filter takes the
    odds of the release for those of its pairs; the networks are small enough to train on a CPU (``ihaudit train
    comparator``, ``filter``, ``fusion``; ``--network paper`` for larger ones).
    """

    similarity: str = "comparator"
    grouping: str = "cliques"
    filtering: str = "network"
    coefficients: str = "labels"
    reweighting: str = "variance"
    fusion: str = "auto"
    restoration: str = "denoiser"

    title: ClassVar[str] = "Published attack on InstaHide with augmentation"
    reference: ClassVar[str] = "Luo, Xiao, Wu, Liu, Ooi, AAAI 2022"
    profiles: ClassVar[tuple[str, ...]] = ("full",)

    def begin(self, view: View, ctx: Context) -> State:
        """See `Recipe.begin`."""
        state = start(view, ctx)
        require_shape(state.observed.shape, Comparator)
        if unmasked(state.observed.mask, view):
            raise NotApplicable("no sign is hidden, and its networks expect encodings that lost their signs; use unmix")
        return state

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`."""
        state = self.stages(state, ctx, "similarity", "grouping")
        # the graph is as large as the release and has done its work
        state = replace(state, evidence=evidence_of(state, ctx)).without(Pairs, Features)
        return self.restorable(state, ctx)

    def restorable(self, state: State, ctx: Context) -> State:
        """From clusters to what the denoiser takes."""
        return self.stages(state, ctx, "filtering", "coefficients", "reweighting", "fusion")
