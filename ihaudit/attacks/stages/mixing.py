"""The linear part of an encoding: sparse coefficients over the unknowns and a column for the mean public image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

#: up to here a dense product is faster than gathering rows
DENSE_COLUMNS = 192


@dataclass(frozen=True, eq=False)
class Mixing:
    """C of ``|m| = |C A + noise|``; the last row of A is the mean public image.

    Attributes:
        members: int64 (E, s), the unknown in each slot, -1 for none.
        coefficients: float32 (E, s).
        share: float32 (E,), the weight of the public images.
        unknowns: number of private unknowns N.
    """

    members: Tensor
    coefficients: Tensor
    share: Tensor
    unknowns: int

    @cached_property
    def dense(self) -> Tensor:
        """float32 (E, N + 1)."""
        out = torch.zeros(len(self.members), self.unknowns + 1, device=self.members.device)
        out.scatter_add_(1, self.members.clamp_min(0), self._active)
        out[:, -1] = self.share
        return out

    @cached_property
    def _active(self) -> Tensor:
        return torch.where(self.members >= 0, self.coefficients, torch.zeros_like(self.coefficients))

    def __len__(self) -> int:
        return len(self.members)

    def forward(self, images: Tensor, rows: slice) -> Tensor:
        """C A for some rows: (N + 1, P) -> (rows, P)."""
        if self.unknowns < DENSE_COLUMNS or self.members.shape[1] > 3:
            return self.dense[rows] @ images
        members, weights = self.members[rows].clamp_min(0), self._active[rows]
        out = self.share[rows, None] * images[-1]
        for slot in range(members.shape[1]):
            out += weights[:, slot, None] * images[members[:, slot]]
        return out

    def adjoint(self, values: Tensor, rows: slice, weights: Tensor | None = None) -> Tensor:
        """C^T diag(weights) V for some rows: (rows, P) -> (N + 1, P)."""
        block = self.dense[rows]
        if weights is not None:
            block = block * weights[:, None]
        return block.T @ values

    def normal(self, weights: Tensor, ridge: float = 1e-3) -> Tensor:
        """C^T diag(weights) C + ridge, float32 (N + 1, N + 1): one matrix for all pixels."""
        gram = self.dense.T @ (self.dense * weights[:, None])
        gram += ridge * gram.diagonal().mean().clamp_min(1e-8) * torch.eye(len(gram), device=gram.device)
        return gram
