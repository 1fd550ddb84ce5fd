"""Is a mixture of photographs shown as it is, or as its negative?

A photograph's negative is no photograph: light comes from above, shadows are smooth and highlights small.  A mixture of
several shows it more surely than each of them, and what is left of an encoding once its private images are taken out
is such a mixture, whatever the private images show.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.unet import ResidualBlock, UNetConfig, padded

_INPUTS = 3
_LEAST = 1e-3  # of a mixture's standard deviation


@dataclass(frozen=True)
class PolarityConfig(UNetConfig):
    """Sizes."""

    widths: tuple[int, int, int] = (24, 48, 64)
    blocks: int = 1
    hidden: int = 64


class Polarity(nn.Module):
    """Residual network of three levels, and an odd function of what it is shown."""

    def __init__(self, config: PolarityConfig | None = None) -> None:
        super().__init__()
        self.config = sizes = config or PolarityConfig()
        a, b, c = sizes.widths

        def level(width: int, blocks: int) -> nn.Sequential:
            return nn.Sequential(*[ResidualBlock(width, sizes.groups) for _ in range(blocks)])

        # resolution is halved first, as in `UNet`; the coarser a level is the cheaper is its depth
        self.stem, self.level_a = nn.Conv2d(4 * _INPUTS, a, 3, padding=1), level(a, sizes.blocks)
        self.to_b, self.level_b = nn.Conv2d(a, b, 2, 2), level(b, sizes.blocks + 1)
        self.to_c, self.level_c = nn.Conv2d(b, c, 2, 2), level(c, sizes.blocks + 1)
        self.head = nn.Sequential(nn.Linear(2 * c, sizes.hidden), nn.SiLU(), nn.Linear(sizes.hidden, 1))

    def forward(self, mixtures: Tensor) -> Tensor:
        """Log odds, at even prior odds, that mixtures are the right way up.

        Args:
            mixtures: float32 (B, 1 or 3, H, W) less their mean over a release, in any unit; H and W at least 16.

        Returns:
            float32 (B,); of ``-mixtures`` the same with the other sign.
        """
        x = padded(mixtures.float().expand(-1, _INPUTS, -1, -1))
        x = x / x.std((1, 2, 3), keepdim=True).clamp_min(_LEAST)
        return (self.one_way(x) - self.one_way(-x)) / 2

    def one_way(self, x: Tensor) -> Tensor:
        """`forward` for mixtures (B, 3, H, W) of unit deviation, which need not be odd: half the work, for training."""
        x = self.level_a(self.stem(F.pixel_unshuffle(x, 2)))
        x = self.level_c(self.to_c(self.level_b(self.to_b(x))))
        odds: Tensor = self.head(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))
        return odds[:, 0]
