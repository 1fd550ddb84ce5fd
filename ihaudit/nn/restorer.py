"""The learned image prior: from least-squares reconstructions and their uncertainty to restored images.

What least squares leaves is no white noise but a faint average of public images, with the spectrum of photographs, so
no linear filter tells it from the image; a network that knows photographs does, a little.  It also says how good its
result is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.unmask import _Block

#: channels of `Restorer.forward`'s inputs after `_features`
_INPUTS = 8


@dataclass(frozen=True)
class RestorerConfig:
    """Widths of the three levels (1/2, 1/4, 1/8 of the resolution) and residual blocks per level and direction."""

    widths: tuple[int, int, int] = (64, 96, 128)
    blocks: int = 2
    groups: int = 8

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


class Restorer(nn.Module):
    """U-Net on (estimate, doubt about signs, standard error); answers the image and the logit of its own SSIM."""

    def __init__(self, config: RestorerConfig | None = None) -> None:
        super().__init__()
        self.config = config or RestorerConfig()
        a, b, c = self.config.widths

        def level(width: int) -> nn.Sequential:
            return nn.Sequential(*[_Block(width, self.config.groups) for _ in range(self.config.blocks)])

        self.stem = nn.Conv2d(4 * _INPUTS, a, 3, padding=1)
        self.down_a, self.to_b = level(a), nn.Conv2d(a, b, 2, 2)
        self.down_b, self.to_c = level(b), nn.Conv2d(b, c, 2, 2)
        self.middle = level(c)
        self.from_c, self.up_b = nn.ConvTranspose2d(c, b, 2, 2), level(b)
        self.from_b, self.up_a = nn.ConvTranspose2d(b, a, 2, 2), level(a)
        self.head = nn.Conv2d(a, 12, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        self.quality = nn.Sequential(nn.Linear(2 * c + a, 64), nn.SiLU(), nn.Linear(64, 1))

    def forward(self, estimate: Tensor, doubt: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
        """Restored images and quality.

        Args:
            estimate: (B, 3, H, W) on [-1, 1] (values may lie outside); H and W multiples of 8.
            doubt: (B, 3, H, W) standard error of each value that comes from undecided signs.
            error: (B,) standard error of each image by its information.

        Returns:
            (B, 3, H, W) and (B,): the logit of the pinned SSIM that the restored image is expected to reach.
        """
        x = self.stem(F.pixel_unshuffle(_features(estimate, doubt, error), 2))
        x = a = self.down_a(x)
        x = b = self.down_b(self.to_b(x))
        x = self.middle(self.to_c(x))
        deep = x
        x = self.up_b(b + self.from_c(x))
        x = self.up_a(a + self.from_b(x))
        change = F.pixel_shuffle(self.head(x), 2).float()
        image = estimate + change * error[:, None, None, None].clamp_max(1.0)
        deep = deep.float()
        summary = torch.cat([deep.mean((2, 3)), deep.amax((2, 3)), x.float().mean((2, 3))], 1)
        return image, self.quality(summary).float()[:, 0]


def _features(estimate: Tensor, doubt: Tensor, error: Tensor) -> Tensor:
    """(B, 8, H, W): the estimate, doubt in units of the error, the logarithm of the error, what is out of range."""
    b, _, h, w = estimate.shape
    level = error.clamp_min(1e-4)[:, None, None, None]
    plane = (level.log() + 3).expand(b, 1, h, w)
    outside = (estimate.abs() - 1).clamp_min(0).sum(1, keepdim=True)
    return torch.cat([estimate.clamp(-2, 2), (doubt / level).clamp_max(4), plane, outside.clamp_max(2)], 1)
