"""The fusion-denoising network: encodings that share an image -> that image.  (Luo et al., AAAI 2022)

Every encoding, its mask ignored and divided by its coefficient, goes through the same layers: *image relaxing*, a
convolution of stride 2 and a transposed one, spreads what a pixel says over its surroundings, so that images that were
moved by a little still meet; the features are *fused* by their maximum, of up to `MAX_UP_TO` encodings, or else by
their mean; residual *non-local attention* (RNAN, Zhang et al. 2019) makes an image of what was fused, and says what
SSIM it expects of it.

The paper's network has 64 channels before and six groups of 48 features after the fusion at full resolution, 3.15
million parameters; the attention of the small one works at half of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.unet import ResidualBlock

Rule = Literal["max", "mean"]

#: Encodings up to which the largest feature is taken; of more, the mean.
MAX_UP_TO = 10


@dataclass(frozen=True)
class FusionConfig:
    """Sizes: channels of the relaxed features and of what is fused; residual blocks before it; features and groups of
    the attention, and whether it works at half the resolution."""

    relaxed: int = 64
    fused: int = 32
    before: int = 1
    features: int = 64
    groups: int = 3
    norm_groups: int = 8
    half: bool = True

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


#: About the size of the paper's, for a GPU.
PAPER = FusionConfig(relaxed=64, fused=64, before=1, features=48, groups=6, half=False)


class Attention(nn.Module):
    """A residual non-local attention block: what the trunk adds is weighed by a mask that looks at the whole image."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(ResidualBlock(width, groups), ResidualBlock(width, groups))
        self.norm = nn.GroupNorm(groups, width)
        self.ask = nn.Conv2d(width, 3 * (width // 2), 1)
        self.answer = nn.Conv2d(width // 2, width, 1)
        self.down = nn.Conv2d(width, width, 4, 2, 1)
        self.inner = ResidualBlock(width, groups)
        self.up = nn.ConvTranspose2d(width, width, 4, 2, 1)
        self.mask = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) -> the same shape; H and W even."""
        query, key, value = (v.flatten(2).transpose(1, 2) for v in self.ask(self.norm(x)).chunk(3, 1))
        seen = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])[:, 0]
        wide = x + self.answer(seen.transpose(1, 2).reshape(len(x), -1, *x.shape[2:]))
        mask = torch.sigmoid(self.mask(self.up(F.silu(self.inner(self.down(wide))))))
        change: Tensor = (self.trunk(x) - x) * mask * 2
        return x + change


class Fusion(nn.Module):
    """`relax` every encoding, `fuse` those of each image, `denoise` what comes of it."""

    def __init__(self, config: FusionConfig | None = None, channels: int = 3) -> None:
        super().__init__()
        self.config = c = config or FusionConfig()
        self.channels = channels
        self.first = nn.Conv2d(channels + 1, 32, 3, padding=1)
        self.down = nn.Conv2d(32, c.relaxed, 4, 2, 1)
        self.blocks = nn.Sequential(*[ResidualBlock(c.relaxed, c.norm_groups) for _ in range(c.before)])
        self.up = nn.ConvTranspose2d(c.relaxed, c.fused, 4, 2, 1)
        self.scale = nn.ModuleDict({rule: nn.Conv2d(c.fused, c.fused, 1) for rule in ("max", "mean")})
        self.enter = nn.Conv2d(c.fused, c.features, 4, 2, 1) if c.half else nn.Conv2d(c.fused, c.features, 3, 1, 1)
        self.groups = nn.ModuleList([Attention(c.features, c.norm_groups) for _ in range(c.groups)])
        self.leave = nn.ConvTranspose2d(c.features, c.fused, 4, 2, 1) if c.half else nn.Conv2d(c.features, c.fused, 1)
        self.last = nn.Conv2d(c.fused, channels, 3, padding=1)
        self.quality = nn.Sequential(nn.Linear(2 * c.features, 48), nn.SiLU(), nn.Linear(48, 1))

    def relax(self, weighted: Tensor, weight: Tensor) -> Tensor:
        """Features (n, relaxed, H / 2, W / 2) of encodings.

        Args:
            weighted: float (n, C, H, W), |encodings| over their coefficient times `weight`; H and W multiples of 4.
            weight: float (n,) in (0, 1], how little each is corrupted beside the least corrupted of its image.
        """
        plane = weight[:, None, None, None].expand(-1, 1, *weighted.shape[2:])
        found: Tensor = self.blocks(F.silu(self.down(F.silu(self.first(torch.cat([weighted, plane], 1))))))
        return F.silu(found)

    def fuse(self, relaxed: Tensor, of: Tensor, sets: int, rule: Rule) -> Tensor:
        """Features (sets, fused, H, W) of each set from those (n, ...) of its encodings, set int64 (n,) of each."""
        if rule == "mean":  # the transposed convolution is linear: once for each set, not for each encoding
            count = torch.bincount(of, minlength=sets).clamp_min(1).to(relaxed.dtype)
            total = torch.zeros(sets, *relaxed.shape[1:], dtype=relaxed.dtype, device=relaxed.device)
            total = total.index_add(0, of, relaxed) / count[:, None, None, None]
            fused = self.up(total)
        else:
            whole = self.up(relaxed)
            fused = torch.stack([whole[of == s].amax(0) for s in range(sets)])
        scaled: Tensor = self.scale[rule](fused)
        return scaled

    def denoise(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) on about [-1, 1] and the logit (B,) of the pinned SSIM that is expected of each."""
        x = enter = self.enter(fused)
        for group in self.groups:
            x = group(x)
        seen = x.float()
        quality: Tensor = self.quality(torch.cat([seen.mean((2, 3)), seen.std((2, 3))], 1))[:, 0]
        image: Tensor = self.last(F.silu(self.leave(x + enter) + fused))
        return image.float(), quality.float()


def rule_for(encodings: int) -> Rule:
    """How the paper fuses sets of so many encodings."""
    return "max" if encodings <= MAX_UP_TO else "mean"


def reweighted(magnitude: Tensor, coefficient: Tensor, of: Tensor, sets: int) -> tuple[Tensor, Tensor]:
    """The paper's re-weighting: |encodings| over their coefficients, times the set's least variance over their own.

    Args:
        magnitude: float32 (n, C, H, W); coefficient: float32 (n,), of the image that the set shares.
        of: int64 (n,), the set of each.

    Returns:
        float32 (n, C, H, W), and the weights float32 (n,) that they were multiplied by besides 1 / coefficient.
    """
    scaled = magnitude / coefficient.clamp_min(1e-3)[:, None, None, None]
    weight = variance_weights(scaled.flatten(1), of, sets)
    return scaled * weight[:, None, None, None], weight


def variance_weights(scaled: Tensor, of: Tensor, sets: int) -> Tensor:
    """The least variance of a set over that of each row: float32 (n,) in (0, 1], of rows (n, P) and their sets."""
    variance = scaled.var(1).clamp_min(1e-9)
    least = torch.full((sets,), torch.inf, device=scaled.device).scatter_reduce(0, of, variance, "amin")
    return least[of] / variance
