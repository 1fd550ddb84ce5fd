"""The strongest attack on releases with several encodings per image: unmask by network, group, solve, restore."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from ihaudit.attacks.numerics.evidence import blank
from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.recipe import Recipe, start
from ihaudit.attacks.stages.recovery.negatives import turn_negatives
from ihaudit.attacks.stages.recovery.private_alone import SOURCE, private_alone
from ihaudit.attacks.stages.recovery.second_look import second_look
from ihaudit.attacks.stages.restoration.network import restored_state
from ihaudit.attacks.stages.state import Grouped, Moving, Shown, State
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.environment import return_memory
from ihaudit.errors import NotApplicable
from ihaudit.nn.shipped import load_confidence, load_restorer

#: times that the assignment is re-estimated from the reconstructions at most, by profile
ROUNDS = {"quick": 3, "standard": 5, "full": 8}
#: up to so many encodings a round is cheap: at least five then
FEW = 3000
#: up to so many encodings, in the profile quick, the network sees only what changed until the last round (measured on
#: 5,000: the same images within 0.001)
HURRIED = 20_000
#: a round that changes the members of fewer encodings than this is the last
SETTLED = 0.03
#: the same where images move: the faintest members have many motions to choose from, and never settle
SETTLED_MOVING = 0.08
#: and times that it is re-estimated at most, where a round is cheap
MOVING_ROUNDS = 8
#: images up to which the first ones are judged, so that a figure is to be had long before the end
JUDGED = 1000
#: name of the hint that tells the number of private images in an encoding
PER_ENCODING = "private_per_encoding"
#: mean confidence from which the number that was taken for granted is not doubted (where there is one: 0.16 to 0.86),
#: and by how much another one must exceed it
SURE, SURER = 0.9, 0.05
#: variants of restoration with which images are restored by the network
RESTORED = ("network", "explained")
#: in the record of the first recovery: mean pinned SSIM that its images are expected to reach once they are restored
EXPECTED = "expected_ssim"
#: in the profile quick a round is the last, where images move, that changes fewer than this share of encodings and not
#: much fewer than the one before (measured: purity of clusters rose by 0.002 in the four rounds that follow)
LITTLE, STANDS = 0.2, 0.85


@attack("unmix")
@dataclass(frozen=True)
class Unmix(Recipe):
    """Recovers masks with a network, which makes the rest of the attack of Carlini et al. linear.

    A network guesses the sign mask of every encoding by itself; the mixtures are grouped by image together with their
    squares, and all images follow from one least squares.  What they predict is shown to the network, which then gets
    nearly all signs right, and encodings are assigned again.  At last public images that recur are unknowns beside the
    private ones, and weights differ from place to place.

    Where pairs of encodings, or the fit of the first images, show that images were moved anew for every use (mirrored,
    cropped, stretched, turned), every stage solves for the motions too.
    """

    similarity: str = "unmasked"
    grouping: str = "signed"
    coefficients: str = "labels"
    assignment: str = "signed"
    recovery: str = "unmask"
    sharpening: str = "local"
    restoration: str = "network"

    title: ClassVar[str] = "Mask recovery and learned prior"
    reference: ClassVar[str] = "Carlini et al. 2021, sections 4 and 4.8.1, combined"
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")
    copies: ClassVar[float] = 28.0

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `Recipe.run`.

        Where nothing tells how many private images an encoding holds there are two at first, and one where that answers
        images of which the attack is not sure; the answer stays of which it is surer.
        """
        output = super().run(view, ctx)
        if output.confidence is None or not len(output.images) or not _untold(view):
            return output
        sure = float(output.confidence.mean())
        if sure > SURE or output.diagnostics.get("sizes_from") == SOURCE:
            return output
        ctx.progress("one private image in each encoding, not two", None)
        try:
            other = super().run(replace(view, hints={**view.hints, PER_ENCODING: 1}), ctx)
        except NotApplicable:
            return output
        if other.confidence is None or not len(other.images) or float(other.confidence.mean()) < sure + SURER:
            return output
        said = " No label tells how many private images an encoding holds; one suits them better than two."
        facts = other.diagnostics | {PER_ENCODING: 1}
        return replace(other, sentence=other.sentence + said, diagnostics=facts)

    def begin(self, view: View, ctx: Context) -> State:
        """See `Recipe.begin`; in half precision where encodings are many."""
        return start(view, ctx, compact=True)

    def stages(self, state: State, ctx: Context, *names: str) -> State:
        """See `Recipe.stages`."""
        for name in names:
            first = name == "recovery" and state.last(name) is None and self.restoration in RESTORED
            state = super().stages(state, _telling(ctx, so_far(state)), name)
            if first:
                state = _judged(state, ctx)
            if state.observed.values.dtype == torch.float16:
                return_memory()
        return state

    def solve(self, state: State, ctx: Context) -> State:
        """See `Recipe.solve`; with known masks (`start`) no stage estimates them."""
        state = self.stages(state, ctx, "similarity")
        alone = private_alone(state, ctx)
        if alone is not None:
            return self.stages(second_look(self.stages(alone, ctx, "recovery"), ctx), ctx, "sharpening")
        state = self.stages(state, ctx, "grouping", "coefficients", "recovery")
        few = len(state.observed.values) <= FEW
        least = 5 if few else 0
        before = 1.0
        for done in range(max(*ROUNDS.values(), MOVING_ROUNDS)):
            moving = state.find(Moving) is not None  # the first assignment may see it
            if moving:
                least = MOVING_ROUNDS if few else 5
            most = max(ROUNDS[ctx.profile], least)
            if done >= most:
                break
            state = self.stages(state, ctx, "assignment")
            changed = state.records[-1].diagnostics.get("changed", 1.0)
            shown = state.find(Shown)
            hurried = shown is not None and shown.again
            if shown is not None:
                hurry = ctx.profile == "quick" and not few and len(state.observed.values) <= HURRIED
                hurry = hurry and state.find(Moving) is None
                state = state.having(replace(shown, again=hurry and changed >= SETTLED and done + 1 < most))
            if changed > 0 or hurried:
                state = self.stages(state, ctx, "recovery")
            if changed < (SETTLED_MOVING if moving else SETTLED):
                break
            stands = LITTLE > changed > STANDS * before
            if moving and stands and done >= ROUNDS["quick"] and ctx.profile == "quick":
                break
            before = changed
        telling = _telling(ctx, so_far(state))
        return self.stages(turn_negatives(second_look(state, telling), telling), ctx, "sharpening")


def _untold(view: View) -> bool:
    """Whether neither labels nor hints tell how many private images an encoding holds."""
    slots = read_slots(view.labels, len(view.encodings))
    return view.hints.get(PER_ENCODING) is None and slots.classes == 1 and not slots.informative


def so_far(state: State) -> str:
    """What is known before the end: how many images were grouped, and how good the first ones are expected to be."""
    grouped = state.find(Grouped)
    if grouped is None:
        return ""
    known = f"{grouped.unknowns:,} image{'' if grouped.unknowns == 1 else 's'} grouped"
    expected = next((r.diagnostics.get(EXPECTED) for r in state.records if r.name == "recovery"), None)
    return known if expected is None else f"{known}, expected SSIM {expected:.2f} at first"


def _judged(state: State, ctx: Context) -> State:
    """With `EXPECTED` in the last record, where images are not so many that it would take long."""
    if not 0 < state.require(Grouped).unknowns <= JUDGED:
        return state
    picture, _ = restored_state(state, load_restorer(device=str(state.observed.values.device)))
    features = torch.cat([picture, blank(len(picture)).to(picture.device)], 1)
    expected = float(load_confidence(device=ctx.device)(features.to(ctx.device)).mean())
    *before, last = state.records
    judged = last.model_copy(update={"diagnostics": last.diagnostics | {EXPECTED: expected}})
    state = replace(state, records=(*before, judged))
    ctx.progress(so_far(state), None)
    return state


def _telling(ctx: Context, known: str) -> Context:
    """With what is known so far beside every message: single ones are passed over where they come fast."""
    if not known:
        return ctx

    def progress(message: str, fraction: float | None = None) -> None:
        ctx.progress(f"{message} ({known})", fraction)

    return replace(ctx, progress=progress)
