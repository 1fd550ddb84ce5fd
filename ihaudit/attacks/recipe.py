"""What attacks on mixtures have in common: how they begin, their stages in order, and their answer.

An attack is a `Recipe`: its fields are variants of stages, and `solve` says in which order they run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ihaudit.attacks.numerics.features import MANY
from ihaudit.attacks.numerics.image_range import Levels
from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.numerics.masks import MaskKind, detect_mask, under_mask
from ihaudit.attacks.numerics.pictures import to_rows
from ihaudit.attacks.stages.grouping.copies import recurring
from ihaudit.attacks.stages.state import Assigned, Grouped, Moving, Observed, PublicFound, Recovered, Restored, State
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.figures import scaled
from ihaudit.metrics.matching import twins
from ihaudit.scheme import Knowledge

#: Edge in pixels at which a profile works on larger images, and from how many times that on.
WORKING, LARGE = {"quick": 48, "standard": 96}, 1.5

#: high-pass correlation above which two answers show one picture, and answers up to which they are compared
ALIKE, COMPARED = 0.95, 3000

#: share of encodings explained, and of the images that explain them that were turned, from which the public set is said
#: to be inverted, perhaps
MOSTLY, MOSTLY_TURNED = 0.5, 0.75


class Recipe:
    """An attack, to be made a frozen dataclass whose fields are called like stages and hold the variant of each."""

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`."""
        public = Knowledge.PUBLIC_SET in getattr(self, "needs", ())
        view, shift = levelled(view, public=public)
        whole, step = view.encodings.shape, working_step(view, ctx)
        if step > 1:
            view = thinned(view, step, public=public)
        state = self.begin(view, ctx)
        if state.find(Restored) is None:
            state = self.stages(self.solve(state, ctx), ctx, "restoration")
        output = answer(state)
        if shift.any():
            output = replace(output, images=np.clip(output.images + shift, 0, 1))
        return output if step == 1 else enlarged(output, whole, step)

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
    view: View,
    ctx: Context,
    *,
    keep_signs: bool = False,
    signs: NDArray[np.floating[Any]] | None = None,
    mixed: bool = True,
    copies: bool = False,
    compact: bool = False,
) -> State:
    """The first state from a view.

    Args:
        keep_signs: values are the encodings themselves where they carry no sign mask, instead of their moduli.
        signs: float (E, H, W, C) in {-1, 1}, the masks where they are known.
        mixed: refuse releases in which nothing is mixed.
        copies: but take those of noisy copies, of which each image has several.
        compact: hold large releases in half precision.

    Raises:
        NotApplicable: encodings are not images, or not mixtures of images.
    """
    x = as_images(view)
    mask, _ = detect_mask(x)
    slots = read_slots(view.labels, len(x), per_encoding=view.hints.get("private_per_encoding"))
    if mask == "masked" and signs is None and not under_mask(x):
        raise NotApplicable(
            "neither signs nor magnitudes of neighbouring values go together, so no picture lies under a sign mask"
        )
    shape = (x.shape[3], *x.shape[1:3])
    again = copies and slots.whole and unmasked(mask, view) and recurring(to_rows(x, ctx.device), shape)
    if mixed and slots.whole and not again and unmasked(mask, view):
        raise NotApplicable(
            "there is no sign mask, and by its labels every encoding holds one image: nothing is mixed that could be "
            "taken apart"
        )
    if mask == "masked" and view.image_range[0] >= 0:
        mask = "absolute"  # no mixture is negative: magnitudes are the mixtures, whatever signs were put on them
    kind = torch.float16 if compact and x.size > MANY else torch.float32
    values = to_rows(x, ctx.device, absolute=not (keep_signs and mask == "signed"), kind=kind)
    known = None if signs is None else to_rows(signs, ctx.device).half()
    return State(Observed(view, values, shape, mask, slots, known, copies=again))


def working_step(view: View, ctx: Context) -> int:
    """Every how many pixels a profile works on: all, but where images are larger than it has the time for."""
    x = view.encodings
    most = WORKING.get(ctx.profile)
    if most is None or x.ndim != 4 or max(x.shape[1:3]) <= LARGE * most:
        return 1
    return int(np.ceil(max(x.shape[1:3]) / most))


def thinned(view: View, step: int, *, public: bool) -> View:
    """Every `step`-th pixel of encodings and images: masks and mixtures stay what they are, unlike under averaging."""

    def thin(x: NDArray[Any] | None) -> NDArray[Any] | None:
        return None if x is None else np.ascontiguousarray(x[:, ::step, ::step])

    encodings = thin(view.encodings)
    assert encodings is not None
    small = replace(view, encodings=encodings, similar=thin(view.similar), image_shape=encodings.shape[1:])
    return replace(small, public_set=thin(view.public_set)) if public else small


def enlarged(output: AttackOutput, shape: tuple[int, ...], step: int) -> AttackOutput:
    """An answer of a thinned release at the size of the whole one, float32 (R, H, W, C), and a word on that."""
    planes = torch.from_numpy(np.ascontiguousarray(output.images.transpose(0, 3, 1, 2)))
    h, w = output.images.shape[1:3]
    # pixel i of the small image lies at pixel step * i of the large one, not in the middle of a square
    large = F.interpolate(planes, size=(h * step, w * step), mode="bilinear", align_corners=False)
    move = (step - 1) // 2
    large = F.pad(large, (0, move, 0, move), mode="replicate")[:, :, move:, move:][:, :, : shape[1], : shape[2]]
    said = f" It worked at {h} x {w} pixels, every {step} of those of {shape[1]} x {shape[2]}, for the sake of time."
    return replace(
        output,
        images=large.clamp(0, 1).permute(0, 2, 3, 1).contiguous().numpy(),
        sentence=output.sentence + said,
        diagnostics=output.diagnostics
        | {"worked_at": [h, w], "flags": [*output.diagnostics.get("flags", []), said.strip()]},
    )


def levelled(view: View, *, public: bool) -> tuple[View, NDArray[np.float32]]:
    """The view with channels of one width where images were mixed with another range in each (the public images too,
    where an attack looks at them), and what is to be added to its answers, float32 (C,)."""
    if view.channel_range is None:
        return view, np.zeros(1, np.float32)
    levels = Levels.of(*view.channel_range)
    encodings = np.asarray(view.encodings, np.float32) * levels.gain
    view = replace(view, encodings=encodings, image_range=levels.overall, channel_range=None)
    if public and view.public_set is not None:
        view = replace(view, public_set=np.asarray(view.public_set, np.float32) - levels.shift)
    return view, levels.shift


def unmasked(mask: MaskKind, view: View) -> bool:
    """Whether no sign is hidden: signs agree, or no mixture has any but those that a mask put on it."""
    return mask == "signed" or view.image_range[0] >= 0


def as_images(view: View) -> NDArray[np.floating[Any]]:
    """The encodings as float (E, H, W, C), or `NotApplicable` where they are not images of the private ones' shape."""
    x, shape = np.asarray(view.encodings), view.image_shape
    # Without the last axis grey images are still images; tokens of 64 x 128 values are not.
    if x.ndim == 3 and (x.shape[1:] == shape[:2] and shape[2] == 1 if shape else x.shape[1] == x.shape[2] >= 8):
        x = x[..., None]
    if x.ndim != 4 or min(x.shape[1:3]) < 8 or x.shape[3] > 16:
        raise NotApplicable(f"encodings of shape {_size(x.shape[1:])} are not images (height, width, channels)")
    if shape is not None and x.shape[1:] != shape:
        raise NotApplicable(
            f"encodings of shape {_size(x.shape[1:])} are not of the shape of the images ({_size(shape)}), so they are "
            "not images mixed or masked"
        )
    if len(x) < 2:
        raise NotApplicable(f"{len(x)} encodings are too few to compare")
    return x


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "no axis"


def alike_answers(images: NDArray[np.float32]) -> tuple[int, int] | None:
    """How many answers (R, H, W, C) look like another, and how many pictures these show; None where none does."""
    if not 1 < len(images) <= COMPARED:
        return None
    sizes = np.bincount(twins(images, same=ALIKE))
    several = sizes[sizes > 1]
    return (int(several.sum()), len(several)) if len(several) else None


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _upside_down(explained: float, turned: int, solved: int) -> str:
    """A sentence on images that explain encodings with the public set only as negatives of what showed without it."""
    if explained < MOSTLY or turned < max(1, MOSTLY_TURNED * solved):
        return ""
    which = "The image that explains" if solved == 1 else f"{turned} of the {solved} images that explain"
    are = "is the negative" if solved == 1 else "are the negatives"
    return (
        f"{which} encodings together with the public set {are} of what the encodings alone showed: the public set may "
        "have been handed over inverted, which nothing in a release under sign masks rules out. Look at the images "
        "both ways."
    )


def answer(state: State) -> AttackOutput:
    """The output of a finished state."""
    restored, assigned, sizes = state.require(Restored), state.require(Assigned), state.require(Grouped).sizes
    # Labels that give every encoding one image say that nothing is mixed; what follows is then an assumption.
    holds = "Read as mixtures, the encodings would hold" if state.observed.slots.whole else "The release holds"
    sentence = (
        f"{holds} about {_count(len(restored.images), 'private image')}, "
        f"{'each ' if len(restored.images) > 1 else ''}in about {_count(round(sizes.multiplicity), 'encoding')}, by "
        f"its own counts and statistics ({sizes.source})."
    )
    diagnostics: dict[str, Any] = {
        "images": len(restored.images),
        "encodings_per_image": float(sizes.multiplicity),
        "sizes_from": sizes.source,
        "mask": state.observed.mask,
        "residual_rms": state.require(Recovered).estimate.residual_rms,
        "mean_certainty": None if assigned.certainty is None else float(np.mean(assigned.certainty)),
    }
    moving = state.find(Moving)
    augmentation = None if moving is None else moving.group
    if augmentation is not None:
        sentence += (
            f" Its images were moved anew for every use ({augmentation.words()}); in which pose each was at first "
            "does not show."
        )
        diagnostics["augmentation"] = augmentation.words()
    restoration = state.last("restoration")
    averages = 0 if restoration is None else int(restoration.diagnostics.get("averages", 0))
    if averages:
        sentence += (
            f" {averages} of its answers {'seems to be an average' if averages == 1 else 'seem to be averages'} of two "
            "images, or of one in two poses, which lowers their confidence."
        )
        diagnostics["averages"] = averages
    alike = alike_answers(restored.images)
    if alike is not None:
        shown, pictures = alike
        sentence += (
            f" {shown} of its answers show {pictures} picture{'' if pictures == 1 else 's'}, or nearly: private images "
            "that look alike and are not told apart, or images that were taken for several."
        )
        diagnostics |= {"answers_alike": shown, "pictures_of_these": pictures}
    record = state.last("public")
    if state.find(PublicFound) is not None and record is not None:
        facts, pictures = record.diagnostics, int(record.diagnostics["public_pictures"])
        share = float(facts["encodings_explained"])
        sentence += (
            f" {_count(pictures, 'public image')} {'was' if pictures == 1 else 'were'} recognised in the encodings, "
            f"{scaled(facts['public_per_encoding'])} in each on average; {scaled(share, '%')} of the encodings are "
            "explained wholly by images found."
            if pictures
            else f" No public image was recognised in the encodings; {scaled(share, '%')} of them are explained wholly."
        )
        for name in ("public_per_encoding", "encodings_explained", "median_residual"):
            diagnostics[name] = float(facts[name])
        diagnostics["public_images"] = pictures
        said = _upside_down(share, int(facts["images_turned"]), int(facts["images_solved"]))
        if said:
            sentence += f" {said}"
            diagnostics["flags"] = [said]
    return AttackOutput(
        images=restored.images,
        members=assigned.members,
        coefficients=assigned.coefficients,
        confidence=restored.confidence,
        diagnostics=diagnostics,
        stages=list(state.records),
        sentence=sentence,
        evidence=state.evidence,
        augmentation=augmentation,
    )
