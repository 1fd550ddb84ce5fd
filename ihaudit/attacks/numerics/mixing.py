"""The linear part of an encoding: sparse coefficients over the unknowns and a column for the mean public image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

IntArray = NDArray[np.int64]

#: up to here a dense product is faster than gathering rows
DENSE_COLUMNS = 192


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Images float32 (N + 1, P) in mixing units (last row: the mean public image) and noise variances (E,)."""

    images: Tensor
    noise: Tensor

    @property
    def residual_rms(self) -> float:
        """Root of the mean variance."""
        return float(self.noise.mean().sqrt())


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

    @classmethod
    def of(
        cls, members: IntArray, coefficients: NDArray[np.floating], share: NDArray[np.floating], unknowns: int
    ) -> Mixing:
        """From arrays of the same names."""
        lam, rest = (torch.from_numpy(np.asarray(v, np.float32)) for v in (coefficients, share))
        return cls(torch.from_numpy(members), lam, rest, unknowns)

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

    def some(self, rows: Tensor) -> Mixing:
        """The part of the encodings `rows` (int64)."""
        return Mixing(self.members[rows], self.coefficients[rows], self.share[rows], self.unknowns)

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
        return self.add_adjoint(self.blank(values), values, rows, weights)

    def blank(self, values: Tensor, *sums: int) -> Tensor:
        """Zeros (*sums, N + 1, P) for `add_adjoint` of `values` (rows, P)."""
        shape = (*sums, self.unknowns + 1, values.shape[1])
        return torch.zeros(shape, dtype=values.dtype, device=values.device)

    def add_adjoint(self, out: Tensor, values: Tensor, rows: slice, weights: Tensor | None = None) -> Tensor:
        """`out` (N + 1, P) with `adjoint` added to it: with many images each further sum is as large as they are."""
        if self.unknowns < DENSE_COLUMNS:
            block = self.dense[rows]
            if weights is not None:
                block = block * weights[:, None]
            out += block.T @ values
            return out
        active = self._active[rows] if weights is None else self._active[rows] * weights[:, None]
        share = self.share[rows] if weights is None else self.share[rows] * weights
        for slot in range(active.shape[1]):
            out.index_add_(0, self.members[rows, slot].clamp_min(0), values * active[:, slot, None])
        out[-1] += share @ values
        return out

    def normal(self, weights: Tensor, ridge: float = 1e-3) -> Tensor:
        """C^T diag(weights) C + ridge, (N + 1, N + 1) in the type of `weights`: one matrix for all pixels."""
        if self.unknowns < DENSE_COLUMNS:
            dense = self.dense.to(weights.dtype)
            gram = dense.T @ (dense * weights[:, None])
        else:
            gram = self._sparse_normal(weights)
        gram.diagonal().add_(ridge * gram.diagonal().mean().clamp_min(1e-8))
        return gram

    def solve(self, weights: Tensor, right: Tensor, ridge: float = 1e-3, start: Tensor | None = None) -> Tensor:
        """Images (N + 1, P) of least squares, from C^T diag(weights) V; `start`: a first guess, for who needs one."""
        images: Tensor = torch.linalg.solve(self.normal(weights, ridge), right.to(weights.dtype))
        return images

    @property
    def rows_at_once(self) -> int:
        """Encodings in a block of a sum over images: few and large blocks where a sum is as large as they are."""
        return 512 if self.unknowns < 4 * DENSE_COLUMNS else 1024

    def seen(self, images: Tensor, rows: slice, slot: int) -> Tensor:
        """(rows, P): `images` (N or N + 1, P) as the encodings hold them in a slot; anything where they hold none."""
        return images[self.members[rows, slot].clamp_min(0)]

    def _sparse_normal(self, weights: Tensor) -> Tensor:
        """C^T diag(weights) C by adding up the few products of each row."""
        n = self.unknowns + 1
        members = torch.cat([self.members.clamp_min(0), torch.full_like(self.members[:, :1], n - 1)], 1)
        values = torch.cat([self._active, self.share[:, None]], 1).to(weights.dtype)
        gram = torch.zeros(n * n, device=values.device, dtype=weights.dtype)
        for a in range(members.shape[1]):
            for b in range(members.shape[1]):
                gram.index_add_(0, members[:, a] * n + members[:, b], values[:, a] * values[:, b] * weights)
        return gram.view(n, n)
