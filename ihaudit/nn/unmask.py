"""The mask recovery network: |mixture| and what is known of it -> the sign of every value ("recolouring").

Carlini et al. 2021, section 4.8.1, train a conditional GAN to undo InstaHide's sign mask.  This is a compact residual
U-Net that predicts the log-odds of each sign instead, so that later stages know where it is sure.  It takes a second
image beside |m|: the part of the mixture that is known already (the public images found so far, with their
coefficients), zero at first.  One network therefore serves every round of "find a public image, subtract, recurse".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Sides are padded to a multiple of this; smaller images than `MIN_SIDE` leave nothing for the coarsest level.
MULTIPLE, MIN_SIDE = 8, 16
_EPS = 1e-6


#: Channels of the networks that ship: colour.
CHANNELS = 3


@dataclass(frozen=True)
class RecolourConfig:
    """Widths of the three levels (1/2, 1/4, 1/8 of the resolution), residual blocks per level and direction, channels.

    The size of the images is no part of it: the network is convolutional.
    """

    widths: tuple[int, int, int] = (48, 96, 128)
    blocks: int = 2
    groups: int = 8
    channels: int = CHANNELS

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; `channels` only where they are not three, so that older cards and checkpoints say the same."""
        described = asdict(self)
        if self.channels == CHANNELS:
            del described["channels"]
        return described


class _Block(nn.Module):
    """Pre-activation residual block; the second convolution starts at zero, so that depth costs nothing at first."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(F.silu(self.norm(x)))))


class Recolour(nn.Module):
    """U-Net from ``(|m|, known part)`` to one sign logit per value.

    The resolution is halved by moving 2x2 neighbourhoods into channels, which loses nothing and saves three quarters of
    the work of full-resolution layers.
    """

    def __init__(self, config: RecolourConfig | None = None) -> None:
        super().__init__()
        self.config = config or RecolourConfig()
        a, b, c = self.config.widths

        def level(width: int) -> nn.Sequential:
            return nn.Sequential(*[_Block(width, self.config.groups) for _ in range(self.config.blocks)])

        self.stem = nn.Conv2d(4 * (3 * self.config.channels + 1), a, 3, padding=1)
        self.down_a, self.to_b = level(a), nn.Conv2d(a, b, 2, 2)
        self.down_b, self.to_c = level(b), nn.Conv2d(b, c, 2, 2)
        self.middle = level(c)
        self.from_c, self.up_b = nn.ConvTranspose2d(c, b, 2, 2), level(b)
        self.from_b, self.up_a = nn.ConvTranspose2d(b, a, 2, 2), level(a)
        self.head = nn.Conv2d(a, 4 * self.config.channels, 1)

    def forward(self, magnitude: Tensor, known: Tensor) -> Tensor:
        """Sign logits.

        Args:
            magnitude: (B, C, H, W), |m| for images that were mixed on [-1, 1]; H and W at least 16.  Sides that are no
                multiples of 8 are padded inside, by reflection.
            known: (B, C, H, W), the part of m that is known, signed; zeros where nothing is.

        Returns:
            (B, C, H, W) float32: log odds that the value is positive.  Where nothing is known the global sign is a
            guess from the statistics of images.
        """
        h, w = magnitude.shape[2:]
        return self.logits(self.features(padded(magnitude), padded(known)))[..., :h, :w]

    def logits(self, features: Tensor) -> Tensor:
        """(B, C, H, W) float32 from what `features` returns."""
        return F.pixel_shuffle(self.head(features), 2).float()

    def features(self, magnitude: Tensor, known: Tensor) -> Tensor:
        """(B, widths[0], H / 2, W / 2): the last layer before the logits, for networks built on this one.

        H and W must be multiples of 8 here (see `padded`).
        """
        x = self.stem(F.pixel_unshuffle(_features(magnitude, known), 2))
        x = a = self.down_a(x)
        x = b = self.down_b(self.to_b(x))
        x = self.middle(self.to_c(x))
        x = self.up_b(b + self.from_c(x))
        return self.up_a(a + self.from_b(x))


def padded(x: Tensor) -> Tensor:
    """(B, C, H, W) with sides that are multiples of 8, extended to the right and below by reflection."""
    down, right = -x.shape[2] % MULTIPLE, -x.shape[3] % MULTIPLE
    return F.pad(x, (0, right, 0, down), mode="reflect") if down or right else x


def _features(magnitude: Tensor, known: Tensor) -> Tensor:
    """(B, 3 C + 1, H, W): |m|, log |m| (shows zero crossings), the known part, in units of the image RMS; that RMS."""
    scale = magnitude.square().mean((1, 2, 3), keepdim=True).sqrt() + _EPS
    relative = magnitude / scale
    log = (relative + 0.01).log() * 0.5
    plane = scale.log().expand(-1, 1, *magnitude.shape[2:])
    return torch.cat([relative, log, known / scale, plane], 1)
