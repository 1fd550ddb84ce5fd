"""Training-free reconstruction from encodings and labels: grouping by squares, then multi-image phase retrieval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.numerics.masks import detect_mask
from ihaudit.attacks.stages.state import State, as_images, run_stage, to_rows
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.scheme import Knowledge

#: times that the assignment is re-estimated from the reconstructions, by profile
ROUNDS = {"quick": 1, "standard": 2, "full": 3}


@attack("phase")
@dataclass(frozen=True)
class Phase:
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

    id: ClassVar[str] = "phase"
    title: ClassVar[str] = "Reconstruction without training: grouping by squares and phase retrieval"
    reference: ClassVar[str] = "Carlini et al. 2021, section 4"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS})
    profiles: ClassVar[tuple[str, ...]] = ("standard", "full")

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        state = prepare(view, ctx, absolute=True)
        state = run_stage(state, ctx, "similarity", self.similarity)
        state = run_stage(state, ctx, "grouping", self.grouping)
        state = run_stage(state, ctx, "coefficients", self.coefficients)
        state = run_stage(state, ctx, "recovery", self.recovery)
        for _ in range(ROUNDS[ctx.profile]):
            state = run_stage(state, ctx, "assignment", self.assignment)
            state = run_stage(state, ctx, "recovery", self.recovery)
        state = run_stage(state, ctx, "restoration", self.restoration)
        return answer(state)


def prepare(view: View, ctx: Context, *, absolute: bool) -> State:
    """The first state from a view; raises `NotApplicable` where encodings are not images."""
    x = as_images(view)
    mask, _ = detect_mask(x)
    values, shape = to_rows(x, ctx.device, absolute=absolute)
    hint = view.hints.get("n_private")
    low, high = view.image_range
    return State(
        values=values,
        shape=shape,
        mask=mask,
        image_range=(float(low), float(high)),
        slots=read_slots(view.labels, len(x), per_encoding=view.hints.get("private_per_encoding")),
        n_private=int(hint) if hint else None,
        similar=view.similar,
    )


def answer(state: State) -> AttackOutput:
    """The output of a finished state."""
    assert state.images is not None and state.grouping is not None and state.estimate is not None
    sizes = state.grouping.sizes
    diagnostics: dict[str, Any] = {
        "images": len(state.images),
        "encodings_per_image": float(sizes.multiplicity),
        "sizes_from": sizes.source,
        "mask": state.mask,
        "residual_rms": float(state.estimate.noise.mean().sqrt()),
        "mean_certainty": None if state.certainty is None else float(np.mean(state.certainty)),
    }
    sentence = (
        f"The release holds about {len(state.images)} private images, each in about {sizes.multiplicity:.0f} "
        "encodings, "
        f"by its own counts and statistics ({sizes.source})."
    )
    return AttackOutput(
        images=state.images,
        members=state.members,
        coefficients=state.coefficients,
        confidence=state.confidence,
        diagnostics=diagnostics,
        stages=state.records,
        sentence=sentence,
    )
