"""The linear part of an encoding whose private images were each moved before they were mixed.

``m = sum_s lambda_s M_s x_s + share * mean public image``: with the motions known this is one sparse least-squares
problem for all images, solved by conjugate gradients (Hestenes and Stiefel 1952), preconditioned by its diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ihaudit.attacks.numerics.em import summed
from ihaudit.attacks.numerics.mixing import Mixing
from ihaudit.attacks.numerics.motions import Motions

#: steps of conjugate gradients, and share of the right side's energy at which what is left ends them
STEPS, ENOUGH = 10, 1e-6
_BATCH = 256


@dataclass(frozen=True, eq=False, kw_only=True)
class MovedMixing(Mixing):
    """`Mixing` with a motion in each slot.

    Attributes:
        motions: the motions there are.
        moved: int64 (E, s), the motion in each slot.
    """

    motions: Motions
    moved: Tensor

    def some(self, rows: Tensor) -> MovedMixing:
        """The part of the encodings `rows` (int64)."""
        return replace(
            self,
            members=self.members[rows],
            coefficients=self.coefficients[rows],
            share=self.share[rows],
            moved=self.moved[rows],
        )

    def forward(self, images: Tensor, rows: slice, *, linear: bool = False) -> Tensor:
        """What the encodings of some rows should be: (N + 1, P) -> (rows, P); `linear`: with zeros beyond borders."""
        out = self.share[rows, None] * images[-1]
        for slot in range(self.members.shape[1]):
            weight = self._active[rows, slot, None]
            held = images[self.members[rows, slot].clamp_min(0)]
            out += weight * self.motions.move(held, self.moved[rows, slot], linear=linear)
        return out

    def add_adjoint(self, out: Tensor, values: Tensor, rows: slice, weights: Tensor | None = None) -> Tensor:
        """See `Mixing.add_adjoint`: the adjoint of the linear part of `forward`."""
        share = self.share[rows] if weights is None else self.share[rows] * weights
        for slot in range(self.members.shape[1]):
            active = self._active[rows, slot] if weights is None else self._active[rows, slot] * weights
            back = self.motions.back(values * active[:, None], self.moved[rows, slot])
            out.index_add_(0, self.members[rows, slot].clamp_min(0), back)
        out[-1] += share @ values
        return out

    def seen(self, images: Tensor, rows: slice, slot: int) -> Tensor:
        """See `Mixing.seen`; of differences of images, which are nothing beyond the border."""
        return self.motions.move(super().seen(images, rows, slot), self.moved[rows, slot], linear=True)

    def solve(self, weights: Tensor, right: Tensor, ridge: float = 1e-3, start: Tensor | None = None) -> Tensor:
        """See `Mixing.solve`."""
        device = right.device
        # every value weighs about as much as if nothing was moved: borders are seen less often
        diagonal = self.coverage(weights)
        least = ridge * diagonal.mean()
        x = torch.zeros_like(right) if start is None else start.clone()

        def normal(x: Tensor, linear: bool) -> Tensor:
            def part(rows: slice) -> Tensor:
                return self.adjoint(self.forward(x, rows, linear=linear), rows, weights[rows])

            return summed(part, len(self), _BATCH, device)

        left = right - normal(x, False) - least * x
        scaled = left / (diagonal + least)
        direction, power = scaled, (left * scaled).sum()
        enough = ENOUGH * float((right.square() / (diagonal + least)).sum())
        for _ in range(STEPS if start is not None else 2 * STEPS):
            if not float(power) > enough:
                break
            image = normal(direction, True) + least * direction
            step = power / (direction * image).sum()
            x = x + step * direction
            left = left - step * image
            scaled = left / (diagonal + least)
            before, power = power, (left * scaled).sum()
            direction = scaled + power / before * direction
        return x

    def coverage(self, weights: Tensor) -> Tensor:
        """(N + 1, P): the diagonal of the normal matrix, nearly (squares of bilinear weights are taken for them)."""
        channels, height, width = self.motions.shape
        squared = replace(self, coefficients=self.coefficients**2, share=self.share**2, motions=self.motions.grey)

        def part(rows: slice) -> Tensor:
            ones = torch.ones(len(self.share[rows]), height * width, device=weights.device)
            return squared.adjoint(ones, rows, weights[rows])

        return summed(part, len(self), _BATCH, weights.device).repeat(1, channels)
