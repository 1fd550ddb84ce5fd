"""Posterior of an encoding's signs by the mask recovery network, for any size from 16 pixels and 1 or 3 channels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ihaudit.nn.unet import MULTIPLE
from ihaudit.nn.unmask import UnmaskNet


@dataclass(frozen=True, eq=False)
class Recolourer:
    """The network with what surrounds it: padding, grey images, batches, mirrored second look.

    Attributes:
        net: trained network.
        device: torch device.
        batch: images at a time; smaller batches are filled up, because a convolution of a new shape costs more to set
            up than these to compute.
    """

    net: UnmaskNet
    device: str = "cpu"
    batch: int = 32

    @torch.inference_mode()
    def logits(self, magnitude: Tensor, known: Tensor | None = None, *, mirror: bool = False) -> Tensor:
        """Log odds of a positive sign.

        Args:
            magnitude: float32 (B, C, H, W), |m| of images mixed on [-1, 1]; C is 1 or 3.
            known: the part of m that is known, same shape; None for nothing.
            mirror: average with the log odds of the mirrored encoding: twice the time, slightly better.

        Returns:
            float32 (B, C, H, W) on the CPU.
        """
        if known is None:
            known = torch.zeros_like(magnitude)
        parts = [
            self._part(magnitude[i : i + self.batch], known[i : i + self.batch], mirror)
            for i in range(0, len(magnitude), self.batch)
        ]
        return torch.cat(parts) if parts else torch.zeros_like(magnitude)

    def _part(self, magnitude: Tensor, known: Tensor, mirror: bool) -> Tensor:
        count, channels, height, width = magnitude.shape
        if count < self.batch:
            filler = magnitude.new_zeros(self.batch - count, channels, height, width)
            magnitude, known = torch.cat([magnitude, filler]), torch.cat([known, filler])
        pad = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        x, y = (F.pad(t.to(self.device).expand(-1, 3, -1, -1), pad, mode="replicate") for t in (magnitude, known))
        out = self._forward(x, y)
        if mirror:
            again = self._forward(x.flip(-1), y.flip(-1)).flip(-1)
            # Where nothing is known the two looks may settle on opposite global signs.
            agree = (x * torch.tanh(out / 2) * torch.tanh(again / 2)).mean((1, 2, 3), keepdim=True)
            out = (out + torch.where(agree < 0, -again, again)) / 2
        out = out[:count, :, :height, :width]
        return (out.mean(1, keepdim=True) if channels == 1 else out).cpu()

    def _forward(self, x: Tensor, y: Tensor) -> Tensor:
        fast = torch.channels_last
        result: Tensor = self.net(x.contiguous(memory_format=fast), y.contiguous(memory_format=fast)).float()
        return result


def mean_and_variance(logits: Tensor, magnitude: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior mean |m| tanh(l / 2) and variance of the signed mixture."""
    t = torch.tanh(logits / 2)
    return magnitude * t, magnitude.square() * (1 - t.square())
