"""Which reconstructions an encoding contains, by likelihood in a whitened space.

Errors of a reconstruction and the public images are both spatially correlated, so a plain sum of pixel likelihoods is
overconfident and makes an assignment worse.  Squares less their prediction are therefore compared in the DCT domain,
every coefficient divided by its own deviation.  For two images (a, b) the prediction
(l1 x_a + l2 x_b + s u)^2 is a combination of six fixed vectors with known weights, so all pairs of two classes are
scored exactly by matrix products.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.em import summed
from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.squares import dct

Shape = tuple[int, int, int]
IntArray = NDArray[np.int64]

#: shares of the larger of two images of one class that are tried (the label gives only their sum)
SPLITS = (0.5, 0.56, 0.62, 0.68, 0.74, 0.8, 0.86, 0.92, 0.97)
#: likelihoods are multiplied by this: neighbouring DCT coefficients are not quite independent
TEMPER = 0.5


@dataclass(frozen=True, eq=False)
class Whitening:
    """What squares look like around their prediction.

    Attributes:
        base: float32 (2, P); (1, tau^2) times its rows is the mean of |m|^2 - prediction^2.
        deviation: float32 (D,) deviation of each DCT coefficient of that difference, at tau^2 = 1.
        gain: float32 (D,) regression of the observed on the predicted coefficient: below 1 where images are noisy.
        shape: (C, H, W).
    """

    base: Tensor
    deviation: Tensor
    gain: Tensor
    shape: Shape

    def features(self, magnitude: Tensor, noise: Tensor) -> Tensor:
        """Whitened squares (n, D) less their baseline."""
        design = torch.stack([torch.ones_like(noise), noise], 1)
        return dct(magnitude**2 - design @ self.base, self.shape) / self.deviation

    def predicted(self, squares: Tensor) -> Tensor:
        """Whitened prediction from (n, P) products of images."""
        return dct(squares, self.shape) * (self.gain / self.deviation)


@dataclass(frozen=True, eq=False)
class Assignment:
    """members int64 (E, s), coefficients float32 (E, s), certainty float32 (E,): posterior of the chosen pair."""

    members: IntArray
    coefficients: NDArray[np.float32]
    certainty: NDArray[np.float32]


def fit_whitening(
    magnitude: Tensor, mixing: Mixing, images: Sequence[Tensor], noise: Tensor, shape: Shape, *, batch: int = 256
) -> Whitening:
    """Baseline, deviations and gains of |m|^2 about the squared predictions of `images`, one set per fold of rows."""
    design = torch.stack([torch.ones_like(noise), noise], 1)
    device = magnitude.device
    weighted = design / noise[:, None] ** 2
    gram = weighted.T @ design
    gram += 1e-6 * gram.diagonal().mean() * torch.eye(2, device=device)

    def squares(rows: slice) -> Tensor:
        return _fold_forward(mixing, images, rows) ** 2

    def baseline(rows: slice) -> Tensor:
        return weighted[rows].T @ (magnitude[rows] ** 2 - squares(rows))

    base = torch.linalg.solve(gram, summed(baseline, len(mixing), batch, device))

    def moments(rows: slice) -> Tensor:
        scale = noise[rows, None]
        seen = dct((magnitude[rows] ** 2 - design[rows] @ base) / scale, shape)
        told = dct(squares(rows) / scale, shape)
        return torch.stack([(seen**2).sum(0), (seen * told).sum(0), (told**2).sum(0)])

    m = summed(moments, len(mixing), batch, device) / len(mixing)
    gain = (m[1] / m[2].clamp_min(1e-12)).clamp(0, 1)
    deviation = (m[0] - 2 * gain * m[1] + gain**2 * m[2]).clamp_min(0).sqrt()
    return Whitening(base, deviation.clamp_min(1e-6 * float(deviation.max()) + 1e-12), gain, shape)


def _fold_forward(mixing: Mixing, images: Sequence[Tensor], rows: slice) -> Tensor:
    folds = len(images)
    if folds == 1:
        return mixing.forward(images[0], rows)
    out = mixing.forward(images[0], rows)
    fold = torch.arange(rows.start, rows.stop, device=out.device) % folds
    for f in range(1, folds):
        own = torch.nonzero(fold == f)[:, 0]
        out[own] = mixing.dense[rows][own] @ images[f]
    return out


def assign_pairs(
    magnitude: Tensor,
    slots: Slots,
    images: Sequence[Tensor],
    noise: Tensor,
    whitening: Whitening,
    of_class: Sequence[IntArray],
    *,
    target: float | None,
) -> Assignment:
    """Best pair for every encoding of two slots.

    Args:
        images: (N + 1, P) per fold of rows (row i is judged by set i modulo the number of sets).
        target: slots per image where all images are known to be used equally often.
    """
    device = magnitude.device
    e = len(slots.label)
    n = len(images[0]) - 1
    folds = len(images)
    todo = [
        (f, c1, c2, part)
        for c1, c2, rows in _class_blocks(slots)
        if len(of_class[c1]) and len(of_class[c2])
        for f in range(folds)
        if len(part := rows[rows % folds == f])
    ]
    blocks = run_jobs(
        lambda item: _score_block(magnitude, slots, images[item[0]], noise, whitening, of_class, *item[1:]),
        todo,
        device,
    )
    offset = torch.zeros(n, device=device)
    if target is not None:
        for _ in range(12):
            counts = torch.zeros(n, device=device)
            for b in blocks:
                p = torch.softmax(b.score + offset[b.first] + offset[b.second], 1).sum(0)
                counts.index_add_(0, b.first, p)
                counts.index_add_(0, b.second, p)
            offset += 0.7 * torch.log(target / counts.clamp_min(1e-3))
            offset.clamp_(-50, 50)
    members = np.full((e, 2), -1, dtype=np.int64)
    mass = slots.mass.copy()
    certainty = np.zeros(e, dtype=np.float32)
    for b in blocks:
        posterior = torch.softmax(b.score + offset[b.first] + offset[b.second], 1)
        value, j = posterior.max(1)
        members[b.rows, 0] = b.first[j].cpu().numpy()
        members[b.rows, 1] = b.second[j].cpu().numpy()
        certainty[b.rows] = value.cpu().numpy()
        if b.split is not None:
            larger = b.split.gather(1, j[:, None])[:, 0].cpu().numpy()
            total = slots.mass[b.rows].sum(1)
            mass[b.rows, 0], mass[b.rows, 1] = total * larger, total * (1 - larger)
    return Assignment(members, mass.astype(np.float32), certainty)


@dataclass(frozen=True, eq=False)
class _Block:
    rows: IntArray
    first: Tensor
    second: Tensor
    score: Tensor
    split: Tensor | None


def _class_blocks(slots: Slots) -> Iterator[tuple[int, int, IntArray]]:
    keys = slots.label[:, 0] * slots.classes + slots.label[:, 1]
    valid = (slots.label >= 0).all(1)
    for key in np.unique(keys[valid]):
        c1, c2 = divmod(int(key), slots.classes)
        yield c1, c2, np.nonzero(valid & (keys == key))[0]


def _score_block(
    magnitude: Tensor,
    slots: Slots,
    images: Tensor,
    noise: Tensor,
    whitening: Whitening,
    of_class: Sequence[IntArray],
    c1: int,
    c2: int,
    rows: IntArray,
) -> _Block:
    device = magnitude.device
    first, second = (x.ravel() for x in np.meshgrid(of_class[c1], of_class[c2], indexing="ij"))
    index = torch.from_numpy(rows).to(device)
    level = noise[index]
    features = whitening.features(magnitude[index], level)
    a, b = torch.from_numpy(first).to(device), torch.from_numpy(second).to(device)
    u = images[-1:]
    left, right = images[torch.from_numpy(of_class[c1]).to(device)], images[torch.from_numpy(of_class[c2]).to(device)]
    na, nb = len(left), len(right)

    def over_first(v: Tensor) -> Tensor:
        return whitening.predicted(v)[:, None].expand(-1, nb, -1).reshape(na * nb, -1)

    def over_second(v: Tensor) -> Tensor:
        return whitening.predicted(v)[None].expand(na, -1, -1).reshape(na * nb, -1)

    cross = whitening.predicted((left[:, None] * right[None]).reshape(na * nb, -1))
    mean = whitening.predicted(u**2).expand(na * nb, -1)
    # the six vectors of the prediction, (6, J, D)
    vectors = torch.stack(
        [over_first(left**2), over_second(right**2), cross, over_first(u * left), over_second(u * right), mean]
    )
    dots = torch.einsum("nd,kjd->njk", features, vectors)
    grams = torch.einsum("kjd,ljd->jkl", vectors, vectors)
    scale = TEMPER / level[:, None] ** 2
    mass = torch.from_numpy(slots.mass[rows]).to(device)
    public = 1 - mass.sum(1)
    if c1 != c2:
        return _Block(rows, a, b, scale * _gain(dots, grams, mass[:, 0], mass[:, 1], public), None)
    total = mass.sum(1)
    score = torch.full((len(rows), len(a)), -torch.inf, device=device)
    split = torch.full_like(score, 0.5)
    for larger in SPLITS:
        gain = scale * _gain(dots, grams, total * larger, total * (1 - larger), public)
        better = gain > score
        score = torch.where(better, gain, score)
        split = torch.where(better, torch.full_like(split, larger), split)
    return _Block(rows, a, b, score, split)


def _gain(dots: Tensor, grams: Tensor, l1: Tensor, l2: Tensor, s: Tensor) -> Tensor:
    """f . p - |p|^2 / 2 for every encoding and pair, (n, J)."""
    weights = torch.stack([l1**2, l2**2, 2 * l1 * l2, 2 * s * l1, 2 * s * l2, s**2], 1)
    linear = torch.einsum("nk,njk->nj", weights, dots)
    j = len(grams)
    outer = (weights[:, :, None] * weights[:, None, :]).reshape(len(weights), 36)
    return linear - (outer @ grams.reshape(j, 36).T) / 2


def assign_slotwise(
    magnitude: Tensor,
    slots: Slots,
    images: Tensor,
    noise: Tensor,
    whitening: Whitening,
    of_class: Sequence[IntArray],
    members: IntArray,
    *,
    sweeps: int = 1,
    batch: int = 64,
) -> Assignment:
    """Any number of slots: each in turn takes its best image given the others (iterated conditional modes)."""
    device = magnitude.device
    members = members.copy()
    certainty = np.ones(len(members), dtype=np.float32)
    unknowns, u = images[:-1], images[-1]
    mass = torch.from_numpy(slots.mass).to(device)
    share = 1 - mass.sum(1)
    for _ in range(sweeps):
        for slot in range(slots.count):
            for c in range(slots.classes):
                candidates = torch.from_numpy(of_class[c]).to(device)
                chosen = np.nonzero(slots.label[:, slot] == c)[0]
                if len(candidates) == 0 or len(chosen) == 0:
                    continue
                offered = unknowns[candidates]
                for i in range(0, len(chosen), batch):
                    part = chosen[i : i + batch]
                    index = torch.from_numpy(part).to(device)
                    now = torch.from_numpy(members[part]).to(device)
                    weights = torch.where(now >= 0, mass[index], torch.zeros_like(mass[index]))
                    weights[:, slot] = 0
                    rest = share[index, None] * u
                    for other in range(slots.count):
                        rest = rest + weights[:, other, None] * unknowns[now[:, other].clamp_min(0)]
                    pred = rest[:, None] + mass[index, slot, None, None] * offered[None]
                    level = noise[index]
                    target = whitening.features(magnitude[index], level)
                    seen = whitening.predicted((pred**2).reshape(-1, pred.shape[-1])).view(*pred.shape[:2], -1)
                    distance = ((seen - target[:, None]) ** 2).sum(2)
                    posterior = torch.softmax(-TEMPER / 2 * distance / level[:, None] ** 2, 1)
                    value, j = posterior.max(1)
                    members[part, slot] = candidates[j].cpu().numpy()
                    certainty[part] = np.minimum(certainty[part], value.cpu().numpy())
    return Assignment(members, slots.mass.copy(), certainty)
