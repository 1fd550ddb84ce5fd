"""Mixtures as `moved_clusters` compares them with images under a list of motions: turns, stretches, and any others.

Shifts and mirrors are compared all at once by Fourier transforms (`moved_clusters.Spectra`); for others an image's
moved copies are made one by one and compared in a whitened space.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from ihaudit.attacks.numerics.features import LEAST_POWER, regress_out
from ihaudit.attacks.numerics.motions import Motions
from ihaudit.attacks.numerics.transforms import dct, low_frequencies

#: copies that are held at once, and encodings on which it is seen what moving forth and back leaves of one
_COPIES, _SAMPLE = 4096, 16


@dataclass(frozen=True, eq=False)
class Listed:
    """Mixtures, and images under the motions of a list: a `moved_clusters.Look`.

    Attributes:
        straight: float32 (n, P), mixtures less what public images explain; rows: float32 (n, D), whitened.
        weight: float32 (n,) inverse noise variances.
        motions: those that make an encoding's copy of an image.
        gain: float32 (D,) of the coefficients `keep`.
        left: float32 (G,), the share of a mixture's energy that moving it back and forth leaves.
    """

    straight: Tensor
    rows: Tensor
    weight: Tensor
    motions: Motions
    keep: Tensor
    gain: Tensor
    left: Tensor

    @classmethod
    def of(cls, mixtures: Tensor, mass: Tensor, motions: Motions) -> Listed:
        """From mixtures (n, P) in float16 or float32 and the coefficients (n, s) of private images."""
        share = 1 - mass.sum(1)
        y = regress_out(mixtures.float(), torch.stack([torch.ones_like(share), share], 1))
        keep = low_frequencies(motions.shape).to(y.device)
        rows = dct(y, motions.shape)[:, keep]
        power = rows.square().mean(0)
        gain = 1 / (power + LEAST_POWER * power.median()).sqrt().clamp_min(1e-12)
        rows = rows * gain
        energy = rows.square().sum(1)
        weight = 1 / (energy / energy.mean()).clamp_min(1e-3)
        found = cls(y, rows, weight, motions, keep, gain, torch.ones(len(motions), device=y.device))
        sample = torch.arange(0, len(y), max(1, len(y) // _SAMPLE), device=y.device)
        left = []
        for g in range(len(motions)):
            motion = torch.full_like(sample, g)
            there = motions.move(motions.back(y[sample], motion), motion, linear=True)
            left.append((found.whitened(there) * rows[sample]).sum() / energy[sample].sum())
        return replace(found, left=torch.stack(left))

    def __len__(self) -> int:
        return len(self.weight)

    def some(self, rows: Tensor) -> Self:
        """See `Look.some`."""
        return replace(self, straight=self.straight[rows], rows=self.rows[rows], weight=self.weight[rows])

    def whitened(self, images: Tensor) -> Tensor:
        """(n, P) -> (n, D)."""
        return dct(images, self.motions.shape)[:, self.keep] * self.gain

    def power(self, centres: Tensor) -> Tensor:
        """See `Look.power`."""
        return self.whitened(centres).square().sum(1)

    def own(self, motion: Tensor) -> Tensor:
        """See `Look.own`."""
        return self.rows.square().sum(1)[:, None] * self.left[motion]

    def best(self, centres: Tensor, own: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """See `Look.best`; centres float32 (K, P)."""
        moves = len(self.motions)
        parts = []
        for k in torch.arange(len(centres), device=centres.device).split(max(1, _COPIES // moves)):
            ids = torch.arange(moves, device=centres.device).repeat(len(k))
            copies = self.whitened(self.motions.move(centres[k.repeat_interleave(moves)], ids, linear=True))
            found = (self.rows @ copies.T).view(len(self), len(k), moves)
            if own is not None:
                found.scatter_add_(2, own[0][:, k, None], -own[1][:, k, None])
            best, motion = found.abs().max(2)
            parts.append((best, motion, torch.sign(found.gather(2, motion[..., None])[..., 0])))
        best, motion, sign = (torch.cat(p, 1) for p in zip(*parts))
        return best, motion, sign

    def aligned(self, motion: Tensor) -> Tensor:
        """See `Look.aligned`; by the adjoint of the motions."""
        return self.motions.back(self.straight, motion)
