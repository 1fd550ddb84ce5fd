"""The simplest attack: average the encodings of each cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ihaudit.attacks.phase import answer, prepare
from ihaudit.attacks.stages.grouping.copies import singletons
from ihaudit.attacks.stages.state import run_stage
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.scheme import Knowledge


@attack("cluster-mean")
@dataclass(frozen=True)
class ClusterMean:
    """Mean of |encodings| over each cluster, or of the encodings themselves where there is no sign mask."""

    similarity: str = "squares"
    grouping: str = "anneal"
    coefficients: str = "labels"
    recovery: str = "mean"
    restoration: str = "stretch"

    id: ClassVar[str] = "cluster-mean"
    title: ClassVar[str] = "Mean of the encodings that share an image"
    reference: ClassVar[str] = "Carlini et al. 2021, section 4.5.1"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS})
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        state = prepare(view, ctx, absolute=False)
        signed = state.mask == "signed"
        if signed and (alone := singletons(state)) is not None:
            return answer(alone)
        similarity = "linear" if signed and self.similarity == "squares" else self.similarity
        if not signed:
            state.values.abs_()  # a copy of the release, made by `prepare`
        for name, variant in (
            ("similarity", similarity),
            ("grouping", self.grouping),
            ("coefficients", self.coefficients),
            ("recovery", self.recovery),
            ("restoration", "none" if signed and self.restoration == "stretch" else self.restoration),
        ):
            state = run_stage(state, ctx, name, variant)
        return answer(state)
