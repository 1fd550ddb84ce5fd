"""How good a reconstruction is, without the truth: a calibrated combination of what the attack knows about it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: the restorer's own quality (logit), log standard error, mean certainty of the image's encodings, share of doubt
FEATURES = 4
KNOTS = 24


class Confidence(nn.Module):
    """A linear score through a monotone curve; fitted on attacks against our own releases (`ihaudit train confidence`).

    Buffers: centre, spread and weight float32 (FEATURES,), bias; knots: float32 (KNOTS,) scores and the SSIM there.
    """

    centre: Tensor
    spread: Tensor
    weight: Tensor
    scores: Tensor
    values: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("centre", "weight"):
            self.register_buffer(name, torch.zeros(FEATURES))
        self.register_buffer("spread", torch.ones(FEATURES))
        self.register_buffer("scores", torch.linspace(0, 1, KNOTS))
        self.register_buffer("values", torch.linspace(0, 1, KNOTS))

    def score(self, features: Tensor) -> Tensor:
        """Linear score float32 (n,) of (n, FEATURES)."""
        return ((features - self.centre) / self.spread) @ self.weight

    def forward(self, features: Tensor) -> Tensor:
        """Expected pinned SSIM float32 (n,) in [0, 1]; piecewise linear between the knots."""
        s = self.score(features)
        x, y = self.scores, self.values
        i = torch.searchsorted(x, s).clamp(1, len(x) - 1)
        share = ((s - x[i - 1]) / (x[i] - x[i - 1]).clamp_min(1e-6)).clamp(0, 1)
        return y[i - 1] + share * (y[i] - y[i - 1])
