"""The residual U-Net that mask recovery and restoration share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Sides are padded to a multiple of this; smaller images than `MIN_SIDE` leave nothing for the coarsest level.
MULTIPLE, MIN_SIDE = 8, 16


@dataclass(frozen=True)
class UNetConfig:
    """Widths of the three levels (1/2, 1/4, 1/8 of the resolution), residual blocks per level and direction, groups
    of the normalisation."""

    widths: tuple[int, int, int] = (48, 96, 128)
    blocks: int = 2
    groups: int = 8

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


class Normalisation(nn.GroupNorm):
    """Group normalisation; on a CPU in float32.

    For bfloat16 whose channels lie last torch has a loop of its own there, which takes six times as long (torch 2.13,
    one thread, 64 x 48 x 16 x 16: 3.3 ms, 0.57 in float32) and was a quarter of the whole network.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, width, H, W) -> the same shape and kind."""
        if input.device.type != "cpu" or input.dtype != torch.bfloat16:
            return super().forward(input)
        return super().forward(input.float()).to(input.dtype)


class ResidualBlock(nn.Module):
    """Pre-activation residual block; the second convolution starts at zero, so that depth costs nothing at first."""

    def __init__(self, width: int, groups: int, kernel: int = 3) -> None:
        super().__init__()
        self.norm = Normalisation(groups, width)
        self.first = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.second = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) -> the same shape."""
        change: Tensor = self.second(F.silu(self.first(F.silu(self.norm(x)))))
        return x + change


class UNet(nn.Module):
    """All layers but the last; networks built on it add a head.

    The resolution is halved by moving 2 x 2 neighbourhoods into channels, which loses nothing and saves three quarters
    of the work of full-resolution layers.
    """

    def __init__(self, inputs: int, config: UNetConfig) -> None:
        super().__init__()
        a, b, c = config.widths

        def level(width: int) -> nn.Sequential:
            return nn.Sequential(*[ResidualBlock(width, config.groups) for _ in range(config.blocks)])

        self.stem = nn.Conv2d(4 * inputs, a, 3, padding=1)
        self.down_a, self.to_b = level(a), nn.Conv2d(a, b, 2, 2)
        self.down_b, self.to_c = level(b), nn.Conv2d(b, c, 2, 2)
        self.middle = level(c)
        self.from_c, self.up_b = nn.ConvTranspose2d(c, b, 2, 2), level(b)
        self.from_b, self.up_a = nn.ConvTranspose2d(b, a, 2, 2), level(a)

    def layers(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs, H, W), sides multiples of 8 -> the last layer (B, widths[0], H / 2, W / 2) and the deepest
        (B, widths[2], H / 8, W / 8)."""
        x = self.stem(F.pixel_unshuffle(x, 2))
        x = a = self.down_a(x)
        x = b = self.down_b(self.to_b(x))
        deepest = self.middle(self.to_c(x))
        x = self.up_b(b + self.from_c(deepest))
        return self.up_a(a + self.from_b(x)), deepest


def padded(x: Tensor) -> Tensor:
    """(B, C, H, W) with sides that are multiples of 8, extended to the right and below by reflection."""
    down, right = -x.shape[2] % MULTIPLE, -x.shape[3] % MULTIPLE
    return F.pad(x, (0, right, 0, down), mode="reflect") if down or right else x
