"""The mask recovery network: |mixture| and what is known of it -> the sign of every value ("recolouring").

Carlini et al. 2021, section 4.8.1, train a conditional GAN to undo InstaHide's sign mask.  This is a compact residual
U-Net that predicts the log odds of each sign instead, so that later stages know where it is sure.  It takes a second
image beside |m|: the part of the mixture that is known already (the public images found so far, with their
coefficients), zero at first.  One network therefore serves every round of "find a public image, subtract, recurse".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.unet import UNet, UNetConfig, padded

#: Channels of the networks that ship: colour.
CHANNELS = 3
_EPS = 1e-6


@dataclass(frozen=True)
class UnmaskConfig(UNetConfig):
    """Sizes and channels; the size of the images is no part of it, since the network is convolutional."""

    channels: int = CHANNELS

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; `channels` only where they are not three, so that older cards and checkpoints say the same."""
        described = super().as_dict()
        if self.channels == CHANNELS:
            del described["channels"]
        return described


class UnmaskNet(UNet):
    """U-Net from ``(|m|, known part)`` to one sign logit per value."""

    def __init__(self, config: UnmaskConfig | None = None) -> None:
        c = config or UnmaskConfig()
        super().__init__(3 * c.channels + 1, c)
        self.config = c
        self.head = nn.Conv2d(c.widths[0], 4 * c.channels, 1)

    def forward(self, magnitude: Tensor, known: Tensor) -> Tensor:
        """Sign logits.

        Args:
            magnitude: (B, C, H, W), |m| for images that were mixed on [-1, 1]; H and W at least 16.  Sides that are no
                multiples of 8 are padded here, by reflection.
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

        H and W must be multiples of 8 here (see `ihaudit.nn.unet.padded`).
        """
        return self.layers(_features(magnitude, known))[0]


def _features(magnitude: Tensor, known: Tensor) -> Tensor:
    """(B, 3 C + 1, H, W): |m|, log |m| (shows zero crossings), the known part, in units of the image RMS; that RMS."""
    scale = magnitude.square().mean((1, 2, 3), keepdim=True).sqrt() + _EPS
    relative = magnitude / scale
    log = (relative + 0.01).log() * 0.5
    plane = scale.log().expand(-1, 1, *magnitude.shape[2:])
    return torch.cat([relative, log, known / scale, plane], 1)
