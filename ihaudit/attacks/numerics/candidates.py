"""The public set, scored against many residuals at once in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.transforms import Basis
from ihaudit.release import FloatArray

#: Public images of one block, and the number up to which their coefficients are kept between rounds.
BLOCK, KEPT = 4096, 20_480
#: How many of the best scores do not count when the spread of an encoding's scores by chance is measured, and the
#: smallest public set in which it is.
_TRUE_AT_MOST, _FEWEST = 12, 100
#: Least noise of a band, as a share of the mean over bands: nothing is noiseless.
_FLOOR = 0.02


@dataclass(frozen=True, eq=False)
class Response:
    """What the network makes of a component of a mixture, per basis coefficient.

    A residual is ``gain * lambda * image + noise``; the noise has the power `power` up to a factor per encoding
    and band.

    Attributes:
        gain: (P,) share of a true component that survives in the posterior mean.
        power: (P,) mean power of residuals.
        spread: (M,) standard deviation of each public image's score over mixtures that do not hold it; images of
            unusual spectrum score high by chance more often.
    """

    gain: Tensor
    power: Tensor
    spread: Tensor


class Filter:
    """Residuals of many encodings, whitened by the response and by each encoding's own power per band."""

    def __init__(self, residual: Tensor, response: Response, bands: Tensor) -> None:
        """`residual`: (B, P) in the basis."""
        noise = (residual.square() / response.power) @ bands / bands.sum(0)
        self.noise = noise + _FLOOR * noise.mean(1, keepdim=True) + 1e-12
        self.response, self.bands = response, bands
        #: (B, P); its inner product with an image is the numerator of the image's score.
        self.filter = residual * (response.gain / response.power) / (self.noise @ bands.T)

    def weight(self) -> Tensor:
        """(B, P): the Fisher information per coefficient of each encoding."""
        return self.response.gain.square() / self.response.power / (self.noise @ self.bands.T)

    def norms(self, energy: Tensor) -> Tensor:
        """(B, n) inverse standard deviations of the numerators; `energy` (n, bands), see `Candidates.energy`."""
        return ((1 / self.noise) @ energy.T).clamp_min(1e-12).rsqrt()


def _column(level: float | FloatArray) -> Tensor:
    return torch.from_numpy(np.asarray(level, np.float32)).reshape(-1, 1, 1)


class Candidates:
    """Public images in the comparison basis, centred on their mean image."""

    def __init__(
        self, public: FloatArray, basis: Basis, low: float | FloatArray = -1.0, high: float | FloatArray = 1.0
    ) -> None:
        """`public`: float32 (M, H, W, C) in [0, 1], mixed as ``low + (high - low) x``; converted block by block.

        low, high: of all channels, or float32 (C,) of each.
        """
        self._public, self.basis = public, basis
        self.low, self.high = (torch.full((public.shape[3], 1, 1), 0.0) + _column(v) for v in (low, high))
        total = torch.zeros(public.shape[3], *public.shape[1:3], dtype=torch.float64)
        squares = 0.0
        for block in self._raw():
            total += block.double().sum(0)
            squares += float(block.double().square().sum())
        mean = total / max(1, len(public))
        self.mean = mean.float()[None]
        #: root mean square of the images about their mean image, as they are mixed
        self.contrast = max(0.0, squares / max(1, len(public)) / mean.numel() - float(mean.square().mean())) ** 0.5
        self._kept: list[Tensor] | None = None
        self._energies: dict[int, list[Tensor]] = {}
        if len(public) <= KEPT:
            self._kept = [basis.forward(b - self.mean) for b in self._raw()]

    def __len__(self) -> int:
        return len(self._public)

    def _raw(self) -> Iterator[Tensor]:
        for i in range(0, len(self._public), BLOCK):
            yield self._mixed(self._public[i : i + BLOCK])

    def images(self, index: Tensor) -> Tensor:
        """(n, C, H, W) as they are mixed."""
        return self._mixed(self._public[index.numpy()])

    def _mixed(self, images: FloatArray) -> Tensor:
        x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
        return x.mul(self.high - self.low).add_(self.low).contiguous()

    def levelled(self, gain: Tensor, offset: Tensor) -> Candidates:
        """The same images where each channel is mixed as gain times what it was, and offset; both float32 (C,)."""
        low, high = (gain * v.flatten() + offset for v in (self.low, self.high))
        return Candidates(self._public, self.basis, low.numpy(), high.numpy())

    def energy(self, coefficients: Tensor, response: Response) -> Tensor:
        """(n, bands): expected signal energy per band of images given by their coefficients (n, P)."""
        return (coefficients.square() * (response.gain.square() / response.power)) @ self.basis.bands

    def blocks(self) -> Iterator[Tensor]:
        """(n, P) centred coefficients of all images, n at most `BLOCK`."""
        if self._kept is not None:
            yield from self._kept
            return
        for raw in self._raw():
            yield self.basis.forward(raw - self.mean)

    def _blocks(self, response: Response) -> Iterator[tuple[Tensor, Tensor]]:
        if self._kept is None:
            for block in self.blocks():
                yield block, self.energy(block, response)
            return
        key = id(response.power)
        if key not in self._energies:
            self._energies[key] = [self.energy(b, response) for b in self._kept]
        yield from zip(self._kept, self._energies[key])

    def best(
        self, residual: Tensor, response: Response, count: int, exclude: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The public images that stand out most in each residual.

        Args:
            residual: (B, P) centred residuals in the basis.
            response: how the network responds at this stage.
            count: how many to return per residual.
            exclude: int64 (B, s) images that may not be returned, -1 for none.

        Returns:
            Scores (B, count), descending, standard normal for images that are not in the mixture; int64 (B, count)
            indices; (B, count) estimates of the coefficient of each, as if it were the only one.
        """
        count, extra = min(count, len(self)), min(max(count, _TRUE_AT_MOST), len(self))
        f = Filter(residual, response, self.basis.bands)
        values = torch.full((len(residual), 0), 0.0)
        index = torch.zeros((len(residual), 0), dtype=torch.int64)
        squares = torch.zeros(len(residual))
        for start, (block, energy) in zip(range(0, len(self), BLOCK), self._blocks(response)):
            scores = (f.filter @ block.T) * f.norms(energy) / response.spread[start : start + len(block)]
            squares += scores.square().sum(1)
            if exclude is not None:
                row, column = torch.nonzero((exclude >= start) & (exclude < start + len(block)), as_tuple=True)
                at = exclude[row, column] - start
                squares -= torch.zeros_like(squares).index_add_(0, row, scores[row, at].square())
                scores[row, at] = -torch.inf
            top, where = scores.topk(min(extra, len(block)), dim=1)
            values, order = torch.cat([values, top], 1).topk(min(extra, values.shape[1] + top.shape[1]), dim=1)
            index = torch.cat([index, where + start], 1).gather(1, order)
        if len(self) >= _FEWEST:
            chance = (squares - values.clamp(min=0).square().sum(1)) / (len(self) - extra)
            values = values / chance.clamp_min(0.25).sqrt()[:, None]
        values, index = values[:, :count], index[:, :count]
        return values, index, self._coefficients(f, index)

    def _coefficients(self, f: Filter, index: Tensor) -> Tensor:
        u = self.in_basis(index.reshape(-1)).reshape(*index.shape, -1)
        top = torch.einsum("bkp,bp->bk", u, f.filter)
        norm = torch.einsum(
            "bkj,bj->bk", self.energy(u.flatten(0, 1), f.response).reshape(*index.shape, -1), 1 / f.noise
        )
        return top / norm.clamp_min(1e-12)

    def in_basis(self, index: Tensor) -> Tensor:
        """(n, P) centred coefficients of the images `index` (n,)."""
        return self.basis.forward(self.images(index) - self.mean)

    def spread(self, residual: Tensor, response: Response, members: Tensor) -> Tensor:
        """`Response.spread`, measured on (B, P) residuals of mixtures of `members` (B, s), which do not count."""
        f = Filter(residual, response, self.basis.bands)
        out = []
        for start, (block, energy) in zip(range(0, len(self), BLOCK), self._blocks(response)):
            scores = (f.filter @ block.T) * f.norms(energy)
            row, column = torch.nonzero((members >= start) & (members < start + len(block)), as_tuple=True)
            counts = torch.ones_like(scores)
            counts[row, members[row, column] - start] = 0
            scores = scores * counts
            # A few samples per image: half way to the mean over images.
            own = scores.square().sum(0) / counts.sum(0).clamp_min(1)
            out.append(own)
        own = torch.cat(out)
        return (0.7 * own + 0.3 * own.mean()).clamp_min(1e-3).sqrt()
