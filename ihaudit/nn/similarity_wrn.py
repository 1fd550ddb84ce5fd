"""The paper's similarity network: a Wide ResNet-28 on two stacked |encodings| (Carlini et al. 2021, 4.3.1).

Some 40 pairs per second on one CPU core: for releases of a few hundred encodings, or a GPU.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.similarity import SHAPE, Embedding, Facts


@dataclass(frozen=True)
class WrnConfig:
    """Wide ResNet (Zagoruyko and Komodakis 2016) of depth ``6 blocks + 4``."""

    blocks: int = 4
    widen: int = 6
    base: int = 16

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"kind": "wrn", **asdict(self)}


class WideBlock(nn.Module):
    """Pre-activation block of two 3 x 3 convolutions with batch normalisation."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.norm_a, self.norm_b = nn.BatchNorm2d(before), nn.BatchNorm2d(width)
        self.conv_a = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.conv_b = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        same = before == width and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm_a(x))
        around = x if isinstance(self.shortcut, nn.Identity) else self.shortcut(y)
        change: Tensor = self.conv_b(F.relu(self.norm_b(self.conv_a(y))))
        return around + change


class PairWrn(nn.Module):
    """Same interface as `ihaudit.nn.similarity.PairNet`: an embedding is the encoding itself."""

    shape = SHAPE

    def __init__(self, config: WrnConfig | None = None) -> None:
        super().__init__()
        self.config = config or WrnConfig()
        c, width = self.config, self.config.base
        layers: list[nn.Module] = [nn.Conv2d(6, width, 3, 1, 1, bias=False)]
        for level in range(3):
            after = c.base * c.widen * 2**level
            for i in range(c.blocks):
                layers.append(WideBlock(width, after, 2 if level and not i else 1))
                width = after
        self.layers = nn.Sequential(*layers)
        self.norm = nn.BatchNorm2d(width)
        self.last = nn.Linear(width, 1)

    def embed(self, magnitude: Tensor) -> Embedding:
        """(n, 3, 32, 32) -> the same."""
        return [magnitude[None]]

    def pairs(self, a: Tensor, b: Tensor) -> Tensor:
        """(N, 3, H, W) twice -> log odds (N,)."""
        x = self.layers(torch.cat([a, b], 1))
        odds: Tensor = self.last(F.relu(self.norm(x)).mean((2, 3)))
        return odds[:, 0].float()

    def compare(self, a: Embedding, b: Embedding, facts_a: Facts, facts_b: Facts, *, batch: int = 512) -> Tensor:
        """Log odds (n, m); the labels' coefficients are not used, as in the paper."""
        x, y = a[0][0], b[0][0]
        i, j = (v.reshape(-1) for v in torch.meshgrid(torch.arange(len(x)), torch.arange(len(y)), indexing="ij"))
        out = [self.pairs(x[p], y[q]) for p, q in zip(i.split(batch), j.split(batch))]
        return torch.cat(out).view(len(x), len(y))
