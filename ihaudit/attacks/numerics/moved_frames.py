"""Where images that were shifted for every use end: each in the frame beyond which its copies show nothing.

A cluster of shifted copies lies wherever most of them do, a pixel or two from where the image was.  Then a line of the
image lies beyond its frame, where copies are taken for the border, and a line of border within it.  What copies show
beyond the frame is estimated here from what is left of them, and the frame is moved to where that is nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from ihaudit.attacks.numerics.motions import Motions, nearest, shifts
from ihaudit.attacks.numerics.moved_mixing import MovedMixing

#: pixels by which a frame is moved at most, and that motions are given to spare for it
FURTHER = 2
#: log-likelihood that another frame must gain
GAIN = 25.0
_ROWS = 512


def reach(motions: Motions) -> int:
    """Furthest shift of whole motions, in pixels."""
    return round(float(motions.theta[:, :, 2].abs().max()))


def wider(mixing: MovedMixing, further: int = FURTHER) -> MovedMixing:
    """The same mixing among shifts that reach `further` pixels more."""
    motions = mixing.motions
    mirror = bool((motions.theta[:, 0, 0] < 0).any())
    more = shifts(motions.shape, reach(motions) + further, mirror=mirror, fill=motions.fill)
    return replace(mixing, motions=more, moved=nearest(motions.theta, more)[mixing.moved])


def framed(
    images: Tensor, mixing: MovedMixing, residual: Callable[[Tensor], Tensor], weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Images and motions about the frames beyond which nothing shows.

    Args:
        images: float32 (N, P); mixing: whole shifts and mirrors, with a known value beyond the border.
        residual: what images leave of the encodings int64 (n,), float32 (n, P).
        weights: float32 (E,) inverse noise variances.

    Returns:
        float32 (N, P), and int64 (E, s), motions of `mixing`.
    """
    motions, b = mixing.motions, FURTHER
    c, h, w = motions.shape
    assert motions.fill is not None
    large = replace(motions, shape=(c, h + 2 * b, w + 2 * b))
    inside = pad(torch.ones(h, w), (b, b, b, b)).flatten()
    left = torch.zeros(len(images), c, inside.numel())
    weight = torch.zeros(len(images), 1, inside.numel())
    for rows in torch.arange(len(mixing)).split(_ROWS):
        rest = pad(residual(rows).view(-1, c, h, w), (b, b, b, b)).flatten(1)
        for slot in range(mixing.members.shape[1]):
            member, moved = mixing.members[rows, slot], mixing.moved[rows, slot]
            share = torch.where(member >= 0, mixing.coefficients[rows, slot], 0.0)[:, None]
            precision = weights[rows, None] * share
            back = large.back(rest * precision, moved).view(len(rows), c, -1)
            left.index_add_(0, member.clamp_min(0), back)
            seen = large.grey.back(inside * (precision * share), moved)
            weight.index_add_(0, member.clamp_min(0), seen[:, None])
    beyond = torch.where((inside == 0) & (weight > 1e-6), left / weight.clamp_min(1e-6), 0.0)
    within = pad(images.view(-1, c, h, w) - motions.fill, (b, b, b, b)).flatten(2)
    canvas = within + beyond
    # log-likelihood lost by taking a place for the border, over all windows: a mean of each, times its size
    worth = (weight * canvas.square()).sum(1).view(-1, 1, h + 2 * b, w + 2 * b) / 2
    windows = avg_pool2d(worth, (h, w), stride=1).flatten(1) * (h * w)
    side = 2 * b + 1
    here = windows[:, side * b + b]
    best, at = windows.max(1)
    at = torch.where(best - here > GAIN, at, side * b + b)
    down, right = at // side - b, at % side - b
    out = torch.stack([
        (canvas[k].view(c, *worth.shape[2:])[:, b + y : b + y + h, b + x : b + x + w] + motions.fill).flatten()
        for k, (y, x) in enumerate(zip(down.tolist(), right.tolist()))
    ])  # fmt: skip
    return out, _about(motions, mixing, down, right)


def _about(motions: Motions, mixing: MovedMixing, down: Tensor, right: Tensor) -> Tensor:
    """int64 (E, s): motions of images whose frames were moved `down` and `right`, int64 (N,); the nearest there are."""
    member = mixing.members.clamp_min(0)
    theta = motions.theta[mixing.moved].clone()
    # a pixel of the copy is taken at theta; the image is counted from its frame
    theta[..., 0, 2] -= right[member]
    theta[..., 1, 2] -= down[member]
    index, where = torch.unique(theta.flatten(0, 1).flatten(1), dim=0, return_inverse=True)
    return nearest(index.view(-1, 2, 3), motions)[where].view(mixing.moved.shape)
