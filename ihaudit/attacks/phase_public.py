"""Reconstruction with the public set known: phase retrieval, then the public images in every encoding, then an exact
system."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from ihaudit.attacks.phase import ROUNDS, answer, prepare
from ihaudit.attacks.stages.state import State, as_images, run_stage
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.scheme import Knowledge


@attack("phase-public")
@dataclass(frozen=True)
class PhasePublic:
    """The stages of `phase`, then `public=identify`: matched filters over the public set, joint fits, exact solution.

    Carlini et al. 2021, 4.8.1 and appendix B, for masks that are secret: these are inferred with everything else.

    Attributes:
        start: ``phase`` (no trained network; the stages below), or ``unmix``, whose stages then come first instead:
            they need fewer encodings per image.
    """

    start: Literal["phase", "unmix"] = "phase"
    similarity: str = "squares"
    grouping: str = "anneal"
    coefficients: str = "labels"
    assignment: str = "likelihood"
    recovery: str = "em"
    public: str = "identify"
    restoration: str = "oriented"

    id: ClassVar[str] = "phase-public"
    title: ClassVar[str] = "Phase retrieval with the public set known: find what was mixed in, solve exactly"
    reference: ClassVar[str] = "Carlini et al. 2021, sections 4.8.1 and B"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS, Knowledge.PUBLIC_SET})
    profiles: ClassVar[tuple[str, ...]] = ("standard", "full")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        if view.public_set is None or len(view.public_set) < 2:
            raise NotApplicable("there are no public images to look for")
        shape, given = as_images(view).shape[1:], view.public_set.shape[1:]
        if shape != given:
            size, other = (" x ".join(map(str, s)) for s in (given, shape))
            raise NotApplicable(f"public images of {size} were not mixed into encodings of {other}")
        state = Unmix(sharpening="recurring").solve(view, ctx) if self.start == "unmix" else self._retrieve(view, ctx)
        state = replace(state, public_set=view.public_set)
        state = run_stage(state, ctx, "public", self.public)
        state = run_stage(state, ctx, "restoration", self.restoration)
        return _answer(state)

    def _retrieve(self, view: View, ctx: Context) -> State:
        """The stages of `phase` but for the restoration."""
        state = prepare(view, ctx, absolute=True)
        state = run_stage(state, ctx, "similarity", self.similarity)
        state = run_stage(state, ctx, "grouping", self.grouping)
        state = run_stage(state, ctx, "coefficients", self.coefficients)
        state = run_stage(state, ctx, "recovery", self.recovery)
        for _ in range(ROUNDS[ctx.profile]):
            state = run_stage(state, ctx, "assignment", self.assignment)
            state = run_stage(state, ctx, "recovery", self.recovery)
        return state


def _answer(state: State) -> AttackOutput:
    """The answer of `phase`, with what was found of the public set."""
    out = answer(state)
    assert state.public_members is not None
    last = next(r for r in reversed(state.records) if r.name == "public").diagnostics
    found = int((state.public_members >= 0).sum())
    out.sentence += (
        f" {found:,} public images were recognised in the encodings, {found / len(state.public_members):.1f} each on "
        f"average; {last['encodings_explained']:.0%} of the encodings are explained wholly by images found."
    )
    for name in ("public_per_encoding", "encodings_explained", "median_residual"):
        out.diagnostics[name] = float(last[name])
    out.diagnostics["public_images"] = len(np.unique(state.public_members[state.public_members >= 0]))
    return out
