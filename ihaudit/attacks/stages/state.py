"""What flows from stage to stage: a frozen record, each stage returns a changed copy and its diagnostics.

A stage variant is a callable ``(State, Context) -> (State, dict)`` registered with ``@stage(name, variant)``; an attack
that replaces one stage keeps the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from ihaudit.attacks.numerics.em import Estimate
from ihaudit.attacks.numerics.graph import ClassGraph
from ihaudit.attacks.numerics.group import Grouping
from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.masks import MaskKind
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.contracts.attack import get_stage
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.results import StageRecord

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class State:
    """The attack so far.

    Attributes:
        values: float32 (E, P), P = C*H*W in that order: |encodings|, or the encodings where there is no mask.
        shape: (C, H, W).
        mask: kind of release.
        image_range: range of the images as mixed.
        slots: what the labels say.
        n_private: a publicly stated number of private images, or None.
        features: float32 (E, D) whitened statistic, and its row weights float32 (E,).
        grouping: clusters per class.
        members: int64 (E, s), -1 where undecided; coefficients: float32 (E, s); certainty: float32 (E,).
        estimate: images in mixing units and noise variances of all E encodings.
        signs: expected signs float32 or float16 (E, P) of the last E-step, or None.
        masks_known: `signs` are certain, as after a predicted generator: no stage estimates them.
        images: float32 (R, H, W, C) in [0, 1] once restored.
        confidence: float32 (R,) expected pinned SSIM of each image, or None.
        blind: float16 (E, P), expected signs by the mask recovery network with nothing known, or None.
        mixtures: float32 (E, D) whitened transform of the blindly unmasked encodings, and its row weights float32 (E,).
        polarity: float32 (E,), expected global sign of each row of `blind`.
        similar: float32 (S, H, W, C) in [0, 1] similar images, where the adversary has them.
        public_set: float32 (M, H, W, C) in [0, 1] the public images, where the adversary has them;
        public_members: int64 (E, K) which of them were found in each encoding, -1 for none; public_coefficients:
            float32 (E, K) their weights.
        graph: per class, the log odds that two slots hold one image (`ihaudit.attacks.numerics.graph`).
        embedding: float16 tensors (blocks, E, d) of the similarity network, where it ran.
        cliques: int64 (R, n), encodings of a clique of each set, -1 beyond its end, where grouping found cliques.
        scores: float32 (E, R): log odds that encoding e belongs to set r (ids as in `grouping`), -inf where the labels
            forbid it; CSR of the same shape, absent where forbidden, for more than `set_scores.DENSE_SCORES` entries.
    """

    values: Tensor
    shape: Shape
    mask: MaskKind
    image_range: tuple[float, float]
    slots: Slots
    n_private: int | None = None
    features: Tensor | None = None
    weight: Tensor | None = None
    grouping: Grouping | None = None
    members: NDArray[np.int64] | None = None
    coefficients: NDArray[np.float32] | None = None
    certainty: NDArray[np.float32] | None = None
    estimate: Estimate | None = None
    signs: Tensor | None = None
    masks_known: bool = False
    images: NDArray[np.float32] | None = None
    confidence: NDArray[np.float32] | None = None
    blind: Tensor | None = None
    mixtures: Tensor | None = None
    mixture_weight: Tensor | None = None
    polarity: Tensor | None = None
    similar: NDArray[np.floating] | None = None
    graph: list[ClassGraph] | None = None
    embedding: list[Tensor] | None = None
    cliques: NDArray[np.int64] | None = None
    scores: NDArray[np.float32] | csr_matrix | None = None
    public_set: NDArray[np.floating] | None = None
    public_members: NDArray[np.int64] | None = None
    public_coefficients: NDArray[np.float32] | None = None
    records: list[StageRecord] = field(default_factory=list)

    @property
    def unknowns(self) -> int:
        """Number of candidate images."""
        return int(self.grouping.sizes.per_class.sum()) if self.grouping is not None else 0

    def decided(self) -> NDArray[np.int64]:
        """Rows whose members are all known; with at least one known member where that leaves too few."""
        assert self.members is not None
        known = self.members >= 0
        whole = (known | (self.slots.label < 0)).all(1) & known.any(1)
        return np.nonzero(whole if whole.mean() > 0.3 else known.any(1))[0]

    def decided_part(self) -> tuple[Tensor, Tensor, Mixing]:
        """The rows `decided`, int64 on the device, their values, and their mixing.

        Raises:
            NotApplicable: there are none.
        """
        rows = self.decided()
        if len(rows) == 0:
            raise NotApplicable("no encoding could be assigned to an image, so there is nothing to recover")
        index = torch.from_numpy(rows).to(self.values.device)
        return index, self.values if len(rows) == len(self.values) else self.values[index], self.mixing(rows)

    def recovered(self, rows: Tensor, estimate: Estimate, signs: Tensor | None = None) -> State:
        """With what was recovered from some encodings; the noise of the others is taken to be the mean."""
        noise = torch.full((len(self.values),), float(estimate.noise.mean()), device=self.values.device)
        noise[rows] = estimate.noise
        return replace(self, estimate=Estimate(estimate.images, noise), signs=signs)

    def mixing(self, rows: NDArray[np.int64] | None = None) -> Mixing:
        """The known linear part, for some or all encodings."""
        assert self.members is not None and self.coefficients is not None
        pick = slice(None) if rows is None else rows
        device = self.values.device
        return Mixing(
            torch.from_numpy(self.members[pick]).to(device),
            torch.from_numpy(self.coefficients[pick].astype(np.float32)).to(device),
            torch.from_numpy(self.slots.share[pick]).to(device),
            self.unknowns,
        )


Stage = Callable[[State, Context], tuple[State, dict[str, Any]]]


def run_stage(state: State, ctx: Context, name: str, variant: str) -> State:
    """Run one registered stage and append its record."""
    began = time.perf_counter()
    ctx.progress(name, None)
    state, diagnostics = get_stage(name, variant)(state, ctx)
    seconds = time.perf_counter() - began
    state.records.append(StageRecord(name=name, variant=variant, seconds=seconds, diagnostics=diagnostics))
    return state


def as_images(view: View) -> NDArray[np.floating]:
    """The encodings as float (E, H, W, C), or `NotApplicable` where they are not images."""
    x = np.asarray(view.encodings)
    if x.ndim == 3 and min(x.shape[1:]) >= 8:
        x = x[..., None]
    if x.ndim != 4 or min(x.shape[1:3]) < 8 or x.shape[3] > 16:
        raise NotApplicable(f"encodings of shape {tuple(x.shape[1:])} are not images (height, width, channels)")
    if len(x) < 2:
        raise NotApplicable(f"{len(x)} encodings are too few to compare")
    return x


def to_rows(x: NDArray[np.floating], device: str, *, absolute: bool) -> tuple[Tensor, Shape]:
    """float32 (E, C*H*W) on the device from (E, H, W, C), non-finite values as zero."""
    e, h, w, c = x.shape
    out = torch.empty(e, c * h * w, dtype=torch.float32, device=device)
    for i in range(0, e, 1024):
        block = np.nan_to_num(np.asarray(x[i : i + 1024], dtype=np.float32))
        if absolute:
            block = np.abs(block)
        out[i : i + 1024] = torch.from_numpy(np.ascontiguousarray(block.transpose(0, 3, 1, 2)).reshape(len(block), -1))
    return out, (c, h, w)


def to_pictures(rows: Tensor, shape: Shape, image_range: tuple[float, float]) -> NDArray[np.float32]:
    """float32 (R, H, W, C) in [0, 1] from (R, P) in mixing units."""
    c, h, w = shape
    low, high = image_range
    unit = ((rows - low) / max(high - low, 1e-9)).clamp(0, 1)
    return unit.view(-1, c, h, w).permute(0, 2, 3, 1).contiguous().cpu().numpy().astype(np.float32)
