"""The comparative network: do two encodings hold the same image, though it was moved?  (Luo et al., AAAI 2022)

Two pictures of half the side are made of an encoding, its middle at full resolution and the whole of it at half; each
goes through residual blocks of its own, and two encodings are compared by the cosine, over all places, of every
channel.  What lies at the border, which augmentation spoils, so counts less than what lies in the middle, and features
of 4 x 4 pixels (of 8 x 8 in the second picture) hardly notice a shift by one.

An encoding is embedded once, as by `ihaudit.nn.similarity.PairNet`, which this network can stand in for.  Unlike the
paper's it is told what the labels say of the coefficients, by the same head.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.similarity import EXTRAS, SHAPE, Embedding, Facts, PairHead, extras, products
from ihaudit.nn.unet import ResidualBlock

_EPS = 1e-6


@dataclass(frozen=True)
class ComparatorConfig:
    """Sizes: channels (the paper's code has 96, and 1.00 million parameters) and residual blocks of each branch, the
    head, and the stride of the first layer (1 in the paper)."""

    width: int = 64
    blocks: int = 3
    groups: int = 8
    hidden: int = 48
    stride: int = 2

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"kind": "comparator", **asdict(self)}


#: About the size of the paper's, for a GPU.
PAPER = ComparatorConfig(width=96, blocks=3, stride=1)


class Branch(nn.Module):
    """One of the two pictures -> features (B, width, H / stride, W / stride)."""

    def __init__(self, inputs: int, config: ComparatorConfig) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, config.width, 5, config.stride, padding=2)
        self.blocks = nn.Sequential(*[ResidualBlock(config.width, config.groups) for _ in range(config.blocks)])
        side = SHAPE[1] // 2 // config.stride
        self.centre = nn.Parameter(torch.zeros(1, config.width, side, side))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 16, 16) -> the features less their learned mean: what all encodings share says nothing of a pair."""
        found: Tensor = self.blocks(self.first(x)).float() - self.centre
        return found


class Comparator(nn.Module):
    """`embed` every encoding once, then `compare` any slots with any others."""

    shape = SHAPE

    def __init__(self, config: ComparatorConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or ComparatorConfig()
        inputs = 2 * SHAPE[0]
        self.middle, self.whole = Branch(inputs, c), Branch(inputs, c)
        self.head = PairHead(2 * c.width, c.hidden)

    def embed(self, magnitude: Tensor) -> Embedding:
        """(n, 3, 32, 32) |encodings| -> two (width, n, places) tensors of unit length."""
        magnitude = magnitude.float()
        scale = magnitude.square().mean((1, 2, 3), keepdim=True).sqrt() + _EPS
        relative = magnitude / scale
        x = torch.cat([relative, (relative + 0.05).log() * 0.5], 1)
        top, left = (side // 4 for side in SHAPE[1:])
        pictures = x[..., top : top + SHAPE[1] // 2, left : left + SHAPE[2] // 2], F.avg_pool2d(x, 2)
        out = []
        for branch, picture in zip((self.middle, self.whole), pictures):
            z = branch(picture).flatten(2)
            out.append((z / (z.norm(dim=2, keepdim=True) + _EPS)).transpose(0, 1))
        return out

    def compare(self, a: Embedding, b: Embedding, facts_a: Facts, facts_b: Facts) -> Tensor:
        """Log odds (n, m), at even prior odds, that slot i of `a` and slot j of `b` hold the same image."""
        n, m = a[0].shape[1], b[0].shape[1]
        cosines = products(a, b).view(-1, n * m)
        return self.head.odds(self.head.hidden(cosines, extras(facts_a, facts_b).view(EXTRAS, n * m))).view(n, m)

    def compare_some(self, z: Embedding, facts: Facts, i: Tensor, j: Tensor) -> Tensor:
        """Log odds (N,) of slots i with slots j, int64 (N,), of one embedding."""
        n = z[0].shape[1]
        pair = i * n + j
        cosines = products(z, z).view(-1, n * n)[:, pair]
        return self.head.odds(self.head.hidden(cosines, extras(facts, facts).view(EXTRAS, n * n)[:, pair]))
