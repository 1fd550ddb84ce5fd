"""Which private images are in an encoding, once its public images are taken out and its mask is nearly known.

What is left of a mixture is then linear in the private images, so that every pair of images that its label allows is
compared directly, in the whitened space.  Where both images are of one class the label gives only the sum of their
weights; the split is fitted with every pair.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Log-likelihood by which another pair must be better.
MARGIN = 3.0
#: Images of one class up to which all pairs are tried for encodings that hold two of them.
MAX_CLASS = 64
BLOCK = 512


def reassign(
    target: Tensor,
    images: Tensor,
    scale: Tensor,
    members: Tensor,
    coefficients: Tensor,
    labels: Tensor,
    shared: Tensor,
    class_of: Tensor,
) -> tuple[Tensor, Tensor]:
    """Members and coefficients of some encodings, each slot or pair replaced where another explains more.

    Args:
        target: float32 (n, D), whitened mixtures less their public part.
        images: float32 (N, D), whitened private images.
        scale: float32 (n,), noise variance of each row in these units.
        members: int64 (n, s), -1 for none; coefficients: float32 (n, s).
        labels: int64 (n, s), the class in each slot, -1 for an unused slot.
        shared: bool (n,), rows whose label gives only a sum of weights.
        class_of: int64 (N,).

    Returns:
        New members and coefficients.
    """
    members, coefficients = members.clone(), coefficients.clone()
    gram = images @ images.T
    for start in range(0, len(target), BLOCK):
        rows = torch.arange(start, min(start + BLOCK, len(target)))
        dots = target[rows] @ images.T
        plain = rows[~shared[rows]]
        if len(plain):
            d, noise = dots[plain - start], scale[plain]
            for _ in range(2):
                for slot in range(members.shape[1]):
                    _one_slot(d, gram, noise, members, coefficients, labels, class_of, plain, slot)
        if members.shape[1] == 2:
            for c in labels[rows[shared[rows]], 0].unique().tolist():
                ids = torch.nonzero(class_of == c)[:, 0]
                these = rows[shared[rows] & (labels[rows, 0] == c)]
                if 1 <= len(ids) <= MAX_CLASS:
                    _pairs(dots[these - start], gram, scale[these], members, coefficients, ids, these)
    return members, coefficients


def _one_slot(
    dots: Tensor,
    gram: Tensor,
    noise: Tensor,
    members: Tensor,
    coefficients: Tensor,
    labels: Tensor,
    class_of: Tensor,
    rows: Tensor,
    slot: int,
) -> None:
    """The best image for one slot, given the others."""
    now = members[rows, slot]
    weight = coefficients[rows, slot]
    rest = dots.clone()
    for other in range(members.shape[1]):
        if other != slot:
            member = members[rows, other]
            amount = torch.where(member >= 0, coefficients[rows, other], torch.zeros_like(weight))
            rest -= amount[:, None] * gram[member.clamp_min(0)]
    score = (weight[:, None] * rest - weight[:, None] ** 2 * gram.diagonal()[None] / 2) / noise[:, None]
    score = score.masked_fill(class_of[None] != labels[rows, slot, None], -torch.inf)
    best, at = score.max(1)
    present = score.gather(1, now.clamp_min(0)[:, None])[:, 0].masked_fill(now < 0, -torch.inf)
    better = torch.isfinite(best) & (best > present + MARGIN) & (weight > 0)
    members[rows, slot] = torch.where(better, at, now)


def _pairs(
    dots: Tensor, gram: Tensor, noise: Tensor, members: Tensor, coefficients: Tensor, ids: Tensor, rows: Tensor
) -> None:
    """The best pair of images of one class and the best split of its weight."""
    first, second = torch.combinations(torch.arange(len(ids)), with_replacement=True).T  # the same image twice, too
    a, b = ids[first], ids[second]
    total = coefficients[rows].sum(1)[:, None]
    ab, aa, bb = gram[a, b], gram[a, a], gram[b, b]
    apart = (aa + bb - 2 * ab).clamp_min(1e-9)

    def fit(one: Tensor, two: Tensor, ab: Tensor, aa: Tensor, bb: Tensor, apart: Tensor) -> tuple[Tensor, Tensor]:
        # |z - t a - (L - t) b|^2 is least at t = <z - L b, a - b> / |a - b|^2
        part = ((one - two) - total * (ab - bb)) / apart
        part = torch.minimum(part.clamp_min(0), total)
        rest = total - part
        return part, part * one + rest * two - (part**2 * aa + rest**2 * bb) / 2 - part * rest * ab

    part, value = fit(dots[:, a], dots[:, b], ab, aa, bb, apart)
    best, at = (value / noise[:, None]).max(1)
    now = members[rows]
    whole = (now >= 0).all(1)
    p, q = now[:, 0].clamp_min(0), now[:, 1].clamp_min(0)
    take = torch.arange(len(rows))
    near = (gram[p, p] + gram[q, q] - 2 * gram[p, q]).clamp_min(1e-9)
    own, present = fit(
        dots[take, p][:, None],
        dots[take, q][:, None],
        gram[p, q][:, None],
        gram[p, p][:, None],
        gram[q, q][:, None],
        near[:, None],
    )
    keep = whole & (best < present[:, 0] / noise + MARGIN)
    chosen = part[take, at]
    members[rows] = torch.where(keep[:, None], now, torch.stack([a[at], b[at]], 1))
    split = torch.where(keep, own[:, 0], chosen)
    coefficients[rows] = torch.stack([split, total[:, 0] - split], 1)
