"""What flows from stage to stage: what was observed, and the parts that stages have left so far.

A stage variant is a callable ``(State, Context) -> (State, dict)`` registered with ``@stage(name, variant)``; an attack
that replaces one stage keeps the others.  A stage asks for the parts that it needs by their class (`State.require`) and
answers with a copy that has others (`State.having`); diagnostics are JSON-able.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from ihaudit.attacks.numerics.graph import ClassGraph
from ihaudit.attacks.numerics.grouping import Grouping
from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.masks import MaskKind
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.motions import Motions
from ihaudit.attacks.numerics.moved_mixing import MovedMixing
from ihaudit.attacks.numerics.pictures import Shape
from ihaudit.attacks.numerics.scratch import Rows, of_rows
from ihaudit.attacks.numerics.sizes import Sizes
from ihaudit.contracts.attack import StageEvidence, get_stage
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.results import StageRecord
from ihaudit.scheme import Augmentation


@dataclass(frozen=True, eq=False)
class Observed:
    """The release as an attack reads it.

    Attributes:
        view: what the adversary has.
        values: float32 (E, P), P = C*H*W in that order: |encodings|, or the encodings where there is no mask; float16
            where an attack asks for it and they are many.
        shape: (C, H, W).
        mask: kind of release.
        slots: what the labels say.
        signs: float (E, P), the masks where they are known, as after a predicted generator: no stage estimates them.
        copies: each encoding is a noisy copy of one image, which has several.
    """

    view: View
    values: Tensor
    shape: Shape
    mask: MaskKind
    slots: Slots
    signs: Tensor | None = None
    copies: bool = False

    @property
    def image_range(self) -> tuple[float, float]:
        """Range of the images as mixed."""
        low, high = self.view.image_range
        return float(low), float(high)

    @property
    def n_private(self) -> int | None:
        """A publicly stated number of private images."""
        hint = self.view.hints.get("n_private")
        return int(hint) if hint else None


#: difference of a coefficient that makes another encoding of it
MOVED = 0.02


class Part:
    """What some stage leaves for those after it; `source` names the variants that do, for a refusal."""

    source: ClassVar[str]


@dataclass(frozen=True, eq=False)
class Features(Part):
    """Whitened statistic, rows float32 (E, D), and row weights float32 (E,)."""

    source: ClassVar[str] = "similarity=squares, linear or unmasked"
    rows: Tensor
    weight: Tensor


@dataclass(frozen=True, eq=False)
class Mixtures(Part):
    """Whitened transform of the unmasked encodings, rows float32 (E, D), and row weights float32 (E,)."""

    source: ClassVar[str] = "similarity=unmasked"
    rows: Tensor
    weight: Tensor


@dataclass(frozen=True, eq=False)
class Unmasked(Part):
    """Signs before any image is known.

    Attributes:
        signs: float16 (E, P), expected signs by the mask recovery network, or the known ones.
        polarity: float32 (E,), expected global sign of each row, or None before grouping has found it.
        known: the global signs were known before grouping.
        guesses: float16 (E, P), what `signs` were before any image was known, kept where encodings are few.
    """

    source: ClassVar[str] = "similarity=unmasked and grouping=signed"
    signs: Tensor
    polarity: Tensor | None = None
    known: bool = False
    guesses: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Pairs(Part):
    """Log odds that two slots of one class hold one image.

    Attributes:
        graph: one per class (`ihaudit.attacks.numerics.graph`).
        embedding: float16 tensors (blocks, E, d) of the similarity network, where it ran and they serve again.
        augmentation: how images seem to have been changed from encoding to encoding.
    """

    source: ClassVar[str] = "similarity=network or grouping=cliques"
    graph: list[ClassGraph]
    embedding: list[Tensor] | None = None
    augmentation: str = "none seen"


@dataclass(frozen=True, eq=False)
class Grouped(Part):
    """The private images there are, as sets of encodings.

    Attributes:
        of_class: int64 ids of the sets of each class, all R in their order.
        sizes: numbers of images and encodings, and where they come from.
        cliques: int64 (R, n), encodings of a clique of each set, -1 beyond its end, where grouping found cliques.
    """

    source: ClassVar[str] = "a variant of the stage grouping"
    of_class: list[NDArray[np.int64]]
    sizes: Sizes
    cliques: NDArray[np.int64] | None = None

    @property
    def unknowns(self) -> int:
        """Number of candidate images R."""
        return int(self.sizes.per_class.sum())

    @property
    def encodings_each(self) -> float | None:
        """Encodings per image where all images have equally many, else None."""
        return self.sizes.multiplicity if self.sizes.exact else None


@dataclass(frozen=True, eq=False)
class Scores(Part):
    """Log odds float32 (E, R) that encoding e belongs to set r, -inf where the labels forbid it; CSR where large."""

    source: ClassVar[str] = "a variant of the stage membership"
    scores: NDArray[np.float32] | csr_matrix


@dataclass(frozen=True, eq=False)
class Assigned(Part):
    """What each encoding is made of.

    Attributes:
        members: int64 (E, s), sets as in `Grouped`, -1 where undecided.
        coefficients: float32 (E, s), the labels' until a stage knows better.
        certainty: float32 (E,) posterior of the members, or None.
    """

    source: ClassVar[str] = "a variant of the stage grouping"
    members: NDArray[np.int64]
    coefficients: NDArray[np.float32]
    certainty: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Moving(Part):
    """Images were moved anew for every use.

    Attributes:
        group: what was seen of it.
        motions: the motions there are.
        moved: int64 (E, s), the motion in each slot.
        spacing: pixels at the border between neighbouring motions.
    """

    source: ClassVar[str] = "grouping=signed"
    group: Augmentation
    motions: Motions
    moved: Tensor
    spacing: float = 1.0


@dataclass(frozen=True, eq=False)
class Recovered(Part):
    """Images in mixing units.

    Attributes:
        estimate: images float32 (R + 1, P) and noise variances of all E encodings.
        signs: expected signs float32 or float16 (E, P) given these images and members, or None.
        confidence: float32 (R,) expected pinned SSIM of each image, or None.
    """

    source: ClassVar[str] = "a variant of the stage recovery"
    estimate: Reconstruction
    signs: Tensor | None = None
    confidence: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Shown(Part):
    """What each encoding was made of when the mask recovery network last saw it.

    Attributes:
        members, coefficients: as in `Assigned`; members `UNSEEN` where it was not shown.
        again: further rounds follow, so that only encodings that are made of something else by now need be seen again.
    """

    UNSEEN: ClassVar[int] = -2

    source: ClassVar[str] = "recovery=unmask"
    members: NDArray[np.int64]
    coefficients: NDArray[np.float32]
    again: bool = False

    def stale(self, assigned: Assigned) -> NDArray[np.bool_]:
        """bool (E,): rows that are made of something else now."""
        moved = np.abs(self.coefficients - assigned.coefficients) > MOVED
        stale: NDArray[np.bool_] = ((self.members != assigned.members) | moved).any(1)
        return stale


@dataclass(frozen=True, eq=False)
class Alike(Part):
    """Encodings from which each image is made; an encoding serves one image at most.

    Attributes:
        rows: int64 (n,), the encodings, those of one image after those of another.
        of: int64 (n,), the image of each, and columns: int64 (n,), the slot that it has there.
        weight: float32 (n,), how little each is corrupted beside the least corrupted of its image, in (0, 1].
    """

    source: ClassVar[str] = "a variant of the stage filtering"
    rows: NDArray[np.int64]
    of: NDArray[np.int64]
    columns: NDArray[np.int64]
    weight: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Fused(Part):
    """Features float32 (R, c, H, W) that a fusion-denoising network made of the encodings of each image."""

    source: ClassVar[str] = "a variant of the stage fusion"
    features: Tensor


@dataclass(frozen=True, eq=False)
class PublicFound(Part):
    """Public images in each encoding.

    Attributes:
        index: int64 (E, K) into the public set, -1 for none; weight: float32 (E, K).
        exact: bool (R,), which private images are held by encodings that are wholly explained.
        bound: bool (R,), of these, which could as well be a sum of themselves and one other.
        error: float32 (R,), the standard error of the values of each image, in units of the range.
        levels: what 0 and 1 of each channel of public images are mixed as, float32 (C,) each, or None for the range of
            mixed images.
    """

    source: ClassVar[str] = "a variant of the stage public"
    index: NDArray[np.int64]
    weight: NDArray[np.float32]
    exact: NDArray[np.bool_]
    bound: NDArray[np.bool_]
    error: NDArray[np.float32]
    levels: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None


@dataclass(frozen=True, eq=False)
class Restored(Part):
    """Images float32 (R, H, W, C) in [0, 1], and their expected pinned SSIM float32 (R,) or None."""

    source: ClassVar[str] = "a variant of the stage restoration"
    images: NDArray[np.float32]
    confidence: NDArray[np.float32] | None = None


def _on(x: Any, device: torch.device | str) -> Any:
    """`x` with the tensors in it on a device."""
    if isinstance(x, Tensor):
        return x.to(device)
    if isinstance(x, list):
        return [_on(y, device) for y in x]
    if is_dataclass(x) and not isinstance(x, (type, View)):
        return replace(x, **{f.name: _on(getattr(x, f.name), device) for f in fields(x) if f.init})
    return x


P = TypeVar("P", bound=Part)


class Missing(NotApplicable):
    """A stage was asked for before those whose parts it needs."""


@dataclass(frozen=True, eq=False)
class State:
    """The attack so far.

    Attributes:
        observed: the release.
        parts: what stages have left, by class; read with `find` and `require`.
        records: one per stage that ran.
        evidence: what the early stages found, for the scorer alone, or None.
    """

    observed: Observed
    parts: Mapping[type[Part], Part] = field(default_factory=dict)
    records: tuple[StageRecord, ...] = ()
    evidence: StageEvidence | None = None

    def find(self, kind: type[P]) -> P | None:
        """The part of a class, or None."""
        part = self.parts.get(kind)
        return part if isinstance(part, kind) else None

    def require(self, kind: type[P]) -> P:
        """The part of a class.

        Raises:
            Missing: no stage has left one; the sentence names the variants that do.
        """
        part = self.find(kind)
        if part is None:
            raise Missing(f"needs {kind.source} before it")
        return part

    def having(self, *parts: Part) -> State:
        """With these parts in place of those of their classes."""
        return replace(self, parts={**self.parts, **{type(p): p for p in parts}})

    def without(self, *kinds: type[Part]) -> State:
        """Without the parts of these classes."""
        return replace(self, parts={k: p for k, p in self.parts.items() if k not in kinds})

    def on(self, device: torch.device | str) -> State:
        """With all tensors on a device."""
        parts = {kind: _on(part, device) for kind, part in self.parts.items()}
        return replace(self, observed=_on(self.observed, device), parts=parts)

    def run(self, ctx: Context, name: str, variant: str) -> State:
        """After one registered stage, and its record."""
        began = time.perf_counter()
        ctx.progress(name, None)
        function: Stage = get_stage(name, variant)
        try:
            state, diagnostics = function(self, ctx)
        except Missing as e:
            raise NotApplicable(f"{name}={variant} {e}") from None
        return state.recorded(name, variant, diagnostics, time.perf_counter() - began)

    def recorded(self, name: str, variant: str, diagnostics: dict[str, Any], seconds: float = 0.0) -> State:
        """With one more record."""
        record = StageRecord(name=name, variant=variant, seconds=seconds, diagnostics=diagnostics)
        return replace(self, records=(*self.records, record))

    def last(self, name: str) -> StageRecord | None:
        """The latest record of a stage."""
        return next((r for r in reversed(self.records) if r.name == name), None)

    def grouped(self, found: Grouping, cliques: NDArray[np.int64] | None = None) -> State:
        """With what a grouping found; the features are as large as the release and not needed again."""
        assigned = Assigned(found.members, self.observed.slots.mass)
        return self.having(Grouped(found.of_class, found.sizes, cliques), assigned).without(Features, Mixtures)

    def decided(self) -> NDArray[np.int64]:
        """Rows whose members are all known; with at least one known member where that leaves too few."""
        known = self.require(Assigned).members >= 0
        whole = (known | (self.observed.slots.label < 0)).all(1) & known.any(1)
        return np.nonzero(whole if whole.mean() > 0.3 else known.any(1))[0]

    def mixing(self, rows: NDArray[np.int64] | None = None) -> Mixing:
        """The known linear part, for some or all encodings."""
        assigned = self.require(Assigned)
        pick = slice(None) if rows is None else rows
        device = self.observed.values.device
        parts = (
            torch.from_numpy(assigned.members[pick]).to(device),
            torch.from_numpy(assigned.coefficients[pick].astype(np.float32)).to(device),
            torch.from_numpy(self.observed.slots.share[pick]).to(device),
            self.require(Grouped).unknowns,
        )
        moving = self.find(Moving)
        if moving is None:
            return Mixing(*parts)
        return MovedMixing(*parts, motions=moving.motions, moved=moving.moved[pick])

    def decided_part(self) -> tuple[Tensor, Tensor, Mixing]:
        """The rows `decided`, int64 on the device, their values, and their mixing.

        Raises:
            NotApplicable: there are none.
        """
        index, values, mixing = self.decided_rows()
        return index, values if isinstance(values, Tensor) else values[:], mixing

    def decided_rows(self) -> tuple[Tensor, Rows, Mixing]:
        """`decided_part`, with values that are taken out in blocks instead of copied.

        Raises:
            NotApplicable: there are none.
        """
        rows, values = self.decided(), self.observed.values
        if len(rows) == 0:
            raise NotApplicable("no encoding could be assigned to an image, so there is nothing to recover")
        index = torch.from_numpy(rows).to(values.device)
        return index, of_rows(values, index), self.mixing(rows)

    def recovered(self, rows: Tensor, estimate: Reconstruction, signs: Tensor | None = None) -> State:
        """With what was recovered from some encodings; the noise of the others is taken to be the mean."""
        noise = torch.full((len(self.observed.values),), float(estimate.noise.mean()), device=estimate.noise.device)
        noise[rows] = estimate.noise
        return self.having(Recovered(Reconstruction(estimate.images, noise), signs))

    def restored(self, images: NDArray[np.float32], confidence: NDArray[np.float32] | None = None) -> State:
        """With finished images; without a confidence of their own they have that of their recovery."""
        recovered = self.find(Recovered)
        if confidence is None and recovered is not None:
            confidence = recovered.confidence
        return self.having(Restored(images, confidence))


Stage = Callable[[State, Context], tuple[State, dict[str, Any]]]
