"""The learned image prior: from least-squares reconstructions and their uncertainty to restored images.

What least squares leaves is no white noise but a faint average of public images, with the spectrum of photographs, so
no linear filter tells it from the image; a network that knows photographs does, a little.  It also says how good its
result is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.unet import UNet, UNetConfig, padded

#: channels of `Restorer.forward`'s inputs after `_features`
_INPUTS = 8


@dataclass(frozen=True)
class RestorerConfig(UNetConfig):
    """Sizes."""

    widths: tuple[int, int, int] = (64, 96, 128)


class Restorer(UNet):
    """U-Net on (estimate, doubt about signs, standard error); answers the image and the logit of its own SSIM."""

    def __init__(self, config: RestorerConfig | None = None) -> None:
        sizes = config or RestorerConfig()
        super().__init__(_INPUTS, sizes)
        self.config = sizes
        a, _, c = sizes.widths
        self.head = nn.Conv2d(a, 12, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        self.quality = nn.Sequential(nn.Linear(2 * c + a, 64), nn.SiLU(), nn.Linear(64, 1))

    def forward(self, estimate: Tensor, doubt: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
        """Restored images and quality.

        Args:
            estimate: (B, 3, H, W) on [-1, 1] (values may lie outside); H and W at least 16.
            doubt: (B, 3, H, W) standard error of each value that comes from undecided signs.
            error: (B,) standard error of each image by its information.

        Returns:
            (B, 3, H, W) and (B,): the logit of the pinned SSIM that the restored image is expected to reach.
        """
        h, w = estimate.shape[2:]
        estimate, doubt = padded(estimate), padded(doubt)
        x, deepest = self.layers(_features(estimate, doubt, error))
        change = F.pixel_shuffle(self.head(x), 2).float()
        image = estimate + change * error[:, None, None, None].clamp_max(1.0)
        deepest = deepest.float()
        summary = torch.cat([deepest.mean((2, 3)), deepest.amax((2, 3)), x.float().mean((2, 3))], 1)
        return image[..., :h, :w], self.quality(summary).float()[:, 0]


def _features(estimate: Tensor, doubt: Tensor, error: Tensor) -> Tensor:
    """(B, 8, H, W): the estimate, doubt in units of the error, the logarithm of the error, what is out of range."""
    b, _, h, w = estimate.shape
    level = error.clamp_min(1e-4)[:, None, None, None]
    plane = (level.log() + 3).expand(b, 1, h, w)
    outside = (estimate.abs() - 1).clamp_min(0).sum(1, keepdim=True)
    return torch.cat([estimate.clamp(-2, 2), (doubt / level).clamp_max(4), plane, outside.clamp_max(2)], 1)
