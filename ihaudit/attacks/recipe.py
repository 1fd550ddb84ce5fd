"""What attacks on mixtures have in common: how they begin, their stages in order, and their answer.

An attack is a `Recipe`: its fields are variants of stages, and `solve` says in which order they run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.numerics.masks import detect_mask
from ihaudit.attacks.numerics.pictures import to_rows
from ihaudit.attacks.stages.state import Assigned, Grouped, Observed, PublicFound, Recovered, Restored, State
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable


class Recipe:
    """An attack, to be made a frozen dataclass whose fields are called like stages and hold the variant of each."""

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        state = self.begin(view, ctx)
        if state.find(Restored) is None:
            state = self.stages(self.solve(state, ctx), ctx, "restoration")
        return answer(state)

    def begin(self, view: View, ctx: Context) -> State:
        """The first state; a finished one where there is nothing to solve.

        Raises:
            NotApplicable: the release is not of a kind that this attack addresses.
        """
        return start(view, ctx)

    def solve(self, state: State, ctx: Context) -> State:
        """Everything but the restoration."""
        raise NotImplementedError

    def stages(self, state: State, ctx: Context, *names: str) -> State:
        """After the stages of these names, in this attack's variants."""
        for name in names:
            state = state.run(ctx, name, self.variant(name, state))
        return state

    def variant(self, name: str, state: State) -> str:
        """The variant of a stage, as configured unless the release calls for another."""
        return str(getattr(self, name))


def start(
    view: View, ctx: Context, *, keep_signs: bool = False, signs: NDArray[np.floating[Any]] | None = None
) -> State:
    """The first state from a view.

    Args:
        keep_signs: values are the encodings themselves where they carry no sign mask, instead of their moduli.
        signs: float (E, H, W, C) in {-1, 1}, the masks where they are known.

    Raises:
        NotApplicable: encodings are not images.
    """
    x = as_images(view)
    mask, _ = detect_mask(x)
    values = to_rows(x, ctx.device, absolute=not (keep_signs and mask == "signed"))
    known = None if signs is None else to_rows(signs, ctx.device).half()
    slots = read_slots(view.labels, len(x), per_encoding=view.hints.get("private_per_encoding"))
    return State(Observed(view, values, (x.shape[3], *x.shape[1:3]), mask, slots, known))


def as_images(view: View) -> NDArray[np.floating[Any]]:
    """The encodings as float (E, H, W, C), or `NotApplicable` where they are not images."""
    x = np.asarray(view.encodings)
    if x.ndim == 3 and min(x.shape[1:]) >= 8:
        x = x[..., None]
    if x.ndim != 4 or min(x.shape[1:3]) < 8 or x.shape[3] > 16:
        raise NotApplicable(f"encodings of shape {tuple(x.shape[1:])} are not images (height, width, channels)")
    if len(x) < 2:
        raise NotApplicable(f"{len(x)} encodings are too few to compare")
    return x


def answer(state: State) -> AttackOutput:
    """The output of a finished state."""
    restored, assigned, sizes = state.require(Restored), state.require(Assigned), state.require(Grouped).sizes
    sentence = (
        f"The release holds about {len(restored.images)} private images, each in about {sizes.multiplicity:.0f} "
        f"encodings, by its own counts and statistics ({sizes.source})."
    )
    diagnostics: dict[str, Any] = {
        "images": len(restored.images),
        "encodings_per_image": float(sizes.multiplicity),
        "sizes_from": sizes.source,
        "mask": state.observed.mask,
        "residual_rms": state.require(Recovered).estimate.residual_rms,
        "mean_certainty": None if assigned.certainty is None else float(np.mean(assigned.certainty)),
    }
    public, record = state.find(PublicFound), state.last("public")
    if public is not None and record is not None:
        facts, found = record.diagnostics, public.index[public.index >= 0]
        sentence += (
            f" {len(found):,} public images were recognised in the encodings, "
            f"{len(found) / len(public.index):.1f} each on average; "
            f"{facts['encodings_explained']:.0%} of the encodings are explained wholly by images found."
        )
        for name in ("public_per_encoding", "encodings_explained", "median_residual"):
            diagnostics[name] = float(facts[name])
        diagnostics["public_images"] = len(np.unique(found))
    return AttackOutput(
        images=restored.images,
        members=assigned.members,
        coefficients=assigned.coefficients,
        confidence=restored.confidence,
        diagnostics=diagnostics,
        stages=list(state.records),
        sentence=sentence,
        evidence=state.evidence,
    )
