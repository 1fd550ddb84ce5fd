"""Motions of images: linear maps from an image to a mirrored, shifted, turned or stretched copy, and back.

A motion says for every pixel of the copy where in the image it comes from, by an affine map about the middle; what
lies beyond the border is a constant (a crop of a padded image) or the image mirrored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Motions:
    """A list of motions.

    Attributes:
        theta: float32 (G, 2, 3): a pixel (x, y) of the copy, from the middle, is taken at theta (x, y, 1).
        shape: (C, H, W).
        fill: value beyond the border, in mixing units; None: the image is mirrored there.
    """

    theta: Tensor
    shape: Shape
    fill: float | None = None

    def __len__(self) -> int:
        return len(self.theta)

    @cached_property
    def grey(self) -> Motions:
        """The same of images of one channel."""
        return replace(self, shape=(1, *self.shape[1:]))

    @cached_property
    def whole(self) -> bool:
        """Whether all are shifts by whole pixels and mirrors, which are quicker to apply."""
        turned = self.theta[:, :, :2].abs() - torch.eye(2)
        whole = (self.theta[:, :, 2] - self.theta[:, :, 2].round()).abs().max() < 1e-6
        return self.fill is not None and bool((turned.abs().max() < 1e-6) & whole)

    @cached_property
    def _source(self) -> Tensor:
        """int64 (G, H * W): the pixel that each pixel is taken from, H * W beyond the border."""
        _, h, w = self.shape
        at = self._places(torch.arange(len(self)))
        x, y = (at[..., 0] + (w - 1) / 2).round().long(), (at[..., 1] + (h - 1) / 2).round().long()
        inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
        return torch.where(inside, y * w + x, h * w).flatten(1)

    @cached_property
    def _target(self) -> Tensor:
        """int64 (G, H * W): the pixel that each pixel goes to, H * W where to none."""
        size = self.shape[1] * self.shape[2]
        out = torch.full((len(self), size + 1), size)
        out.scatter_(1, self._source, torch.arange(size).expand(len(self), -1))
        return out[:, :size].contiguous()

    def _places(self, ids: Tensor) -> Tensor:
        """float32 (n, H, W, 2): where the pixels of some copies are taken, from the middle."""
        _, h, w = self.shape
        y, x = torch.meshgrid(torch.arange(h) - (h - 1) / 2, torch.arange(w) - (w - 1) / 2, indexing="ij")
        here = torch.stack([x, y, torch.ones_like(x)], -1)
        return torch.einsum("nij,hwj->nhwi", self.theta[ids], here)

    def _grid(self, ids: Tensor) -> Tensor:
        _, h, w = self.shape
        return self._places(ids) * torch.tensor([2 / (w - 1), 2 / (h - 1)])

    def move(self, images: Tensor, ids: Tensor, *, linear: bool = False) -> Tensor:
        """Copies (n, P) of images (n, P), each by its motion; `linear`: with zero beyond the border."""
        fill = 0.0 if linear or self.fill is None else self.fill
        if not len(images):
            return images
        x = images.view(len(images), self.shape[0], -1)
        if self.whole:
            padded = torch.nn.functional.pad(x, (0, 1), value=fill)
            index = self._source[ids][:, None].expand(-1, self.shape[0], -1)
            return padded.gather(2, index).reshape(len(images), -1)
        mode = "reflection" if self.fill is None else "zeros"
        moved = torch.nn.functional.grid_sample(
            (x - fill).view(-1, *self.shape), self._grid(ids), padding_mode=mode, align_corners=True
        )
        return moved.reshape(len(images), -1) + fill

    def back(self, copies: Tensor, ids: Tensor) -> Tensor:
        """The adjoint of the linear part of `move`: (n, P) -> (n, P)."""
        if not len(copies):
            return copies
        x = copies.view(len(copies), self.shape[0], -1)
        if self.whole:
            padded = torch.nn.functional.pad(x, (0, 1))
            index = self._target[ids][:, None].expand(-1, self.shape[0], -1)
            return padded.gather(2, index).reshape(len(copies), -1)
        mode = 2 if self.fill is None else 0
        given = x.reshape(-1, *self.shape)
        gradient, _ = torch.ops.aten.grid_sampler_2d_backward(
            given, given, self._grid(ids), 0, mode, True, [True, False]
        )
        result: Tensor = gradient.reshape(len(copies), -1)
        return result


def shifts(shape: Shape, reach: int, *, mirror: bool, fill: float | None) -> Motions:
    """All shifts by up to `reach` pixels along each axis, of the image and of its mirror image where `mirror`.

    The copy of motion (m, y, x) is the (mirrored) image shifted down by y and right by x; in that order, x fastest.
    """
    theta = []
    for m in (False, True) if mirror else (False,):
        side = -1.0 if m else 1.0
        for y in range(-reach, reach + 1):
            for x in range(-reach, reach + 1):
                theta.append([[side, 0.0, -side * x], [0.0, 1.0, -float(y)]])
    return Motions(torch.tensor(theta), shape, fill)


def stretches(shape: Shape, width: float, *, steps: int, mirror: bool) -> Motions:
    """Crops stretched back and shifts whose ends move by up to half of `width`, a share of the side; mirrored borders.

    Both ends of both axes take `steps` places each (Luo et al. 2022, Definition 1: no pixel moves further).
    """
    _, h, w = shape
    ends = torch.linspace(-0.8, 0.8, steps) * width / 2  # the outermost places are rare
    theta = []
    for side in (1.0, -1.0) if mirror else (1.0,):
        for top, bottom, left, right in torch.cartesian_prod(ends * h, ends * h, ends * w, ends * w).tolist():
            down = [0.0, 1 + (bottom - top) / (h - 1), (top + bottom) / 2]
            along = [side * (1 + (right - left) / (w - 1)), 0.0, (left + right) / 2]
            theta.append([along, down])
    return Motions(torch.tensor(theta), shape, None)


def turns(
    shape: Shape, degrees: float, *, mirror: bool, fill: float | None, step: float = 2.5, reach: int = 1
) -> Motions:
    """Turns about the middle by up to so many degrees, with shifts by up to `reach` pixels."""
    count = max(1, round(degrees / step))
    theta = []
    for side in (1.0, -1.0) if mirror else (1.0,):
        for k in range(-count, count + 1):
            angle = math.radians(degrees * k / count)
            cos, sin = math.cos(angle), math.sin(angle)
            for y in range(-reach, reach + 1):
                for x in range(-reach, reach + 1):
                    theta.append([[side * cos, -side * sin, float(x)], [sin, cos, float(y)]])
    return Motions(torch.tensor(theta), shape, fill)


def nearest(theta: Tensor, motions: Motions) -> Tensor:
    """int64 (n,): the motions of a list that are nearest to motions float32 (n, 2, 3), at the border."""
    half = (min(motions.shape[1:]) - 1) / 2
    scale = torch.tensor([half, half, 1.0])
    far = torch.cdist((theta * scale).flatten(1), (motions.theta * scale).flatten(1))
    return far.argmin(1)


def about_mean(theta: Tensor, ids: Tensor, weight: Tensor, count: int, *, turn: bool) -> tuple[Tensor, Tensor]:
    """Motions about poses in which each image's copies are moved by nothing on average, and the motions to there.

    Args:
        theta: float32 (n, 2, 3); ids: int64 (n,), whose copy each makes; weight: float32 (n,).
            Motions that mirror have no say.
        count: number of images N.
        turn: the motions turn and shift; so does their mean then, where plain means of turns shrink too.

    Returns:
        float32 (n, 2, 3) and (N, 2, 3).
    """
    row = torch.tensor([0.0, 0.0, 1.0]).expand(len(theta), 1, 3)
    square = torch.cat([theta, row], 1)
    weight = weight * (torch.linalg.det(square[:, :2, :2]) > 0)
    total = torch.zeros(count).index_add_(0, ids, weight)
    mean = torch.zeros(count, 3, 3).index_add_(0, ids, square * weight[:, None, None])
    mean = torch.where(total[:, None, None] > 1e-6, mean / total.clamp_min(1e-6)[:, None, None], torch.eye(3))
    if turn:
        u, _, v = torch.linalg.svd(mean[:, :2, :2])
        mean[:, :2, :2] = u @ v
    about = torch.linalg.inv(mean)[ids] @ square
    return about[:, :2], mean[:, :2]
