"""Mixtures as `moved_clusters` compares them with images that were shifted and stretched anew for every use.

Two copies of one image differ by a shift and a stretch of each axis, four numbers: a list of such motions is too long
(`moved_copies`), so an image is stretched by a few pairs of factors and compared under all shifts at once by Fourier
transforms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from ihaudit.attacks.numerics.features import LEAST_POWER, regress_out
from ihaudit.attacks.numerics.motions import Motions
from ihaudit.attacks.numerics.transforms import Shape
from ihaudit.nn.scales import colours

#: logarithms of the largest factor by which either axis is stretched between two copies that are compared to group
#: them, and between two of which it is asked whether they are stretched at all; and how many factors there are
FURTHEST, NEAR, FACTORS = 0.5, 0.22, 5
#: pairs of which that is asked
PAIRS = 300
#: frequencies that are compared: finer detail does not agree where a few stretches are tried (of pairs of strong
#: encodings stretched by 50 %, those of one image are told from others with AUC 0.85 by all below 0.5, 0.90 by these)
FINEST = 0.22
#: encodings on which it is seen what moving forth and back leaves of one, and values of products held at once
_SAMPLE, _VALUES = 16, 4_000_000


def factors(shape: Shape, furthest: float, *, mirror: bool) -> Motions:
    """Stretches of either axis about the middle, by up to exp(`furthest`), the first by nothing; borders mirrored."""
    each = torch.linspace(-furthest, furthest, FACTORS).exp().tolist()
    pairs = sorted(((x, y) for x in each for y in each), key=lambda p: abs(math.log(p[0])) + abs(math.log(p[1])))
    theta = [[[side * x, 0.0, 0.0], [0.0, y, 0.0]] for side in ((1.0, -1.0) if mirror else (1.0,)) for x, y in pairs]
    return Motions(torch.tensor(theta), shape, None)


@dataclass(frozen=True, eq=False)
class Stretched:
    """Mixtures, and images under stretches and shifts: a `moved_clusters.Look`.

    Attributes:
        straight: float32 (n, P), mixtures less what public images explain, in uncorrelated colours.
        spectra: complex64 (n, C, h, w // 2 + 1), whitened, of the frequencies of a smaller image.
        weight: float32 (n,) inverse noise variances.
        gain: float32 (C, h, w // 2 + 1), by which spectra are whitened.
        grid: (h, w).
        factors: the stretches that make an encoding's copy of an image; a motion is one of them and a shift.
        reach: shifts that are looked at, along each axis, in pixels of that.
        left: float32 (G,), the share of a mixture's energy that moving it back and forth leaves.
    """

    straight: Tensor
    spectra: Tensor
    weight: Tensor
    gain: Tensor
    grid: tuple[int, int]
    factors: Motions
    reach: int
    left: Tensor

    @classmethod
    def of(cls, mixtures: Tensor, mass: Tensor, stretches: Motions, reach: int, *, whole: bool = False) -> Stretched:
        """From mixtures (n, P) in float16 or float32 and the coefficients (n, s) of private images.

        Args:
            stretches: those that are tried; reach: furthest shift in pixels; whole: fine detail is compared too.
        """
        c, h, w = stretches.shape
        share = 1 - mass.sum(1)
        y = regress_out(mixtures.float(), torch.stack([torch.ones_like(share), share], 1)).view(-1, c, h, w)
        if c == 3:
            y = torch.einsum("dc,nchw->ndhw", colours().to(y), y)
        grid = (h, w) if whole else (_half(h), _half(w))
        spectra = _cut(torch.fft.rfft2(y), grid)
        power = spectra.abs().square().mean(0)
        power += LEAST_POWER * power.median()
        down, right = torch.fft.fftfreq(grid[0]) * grid[0] / h, torch.fft.rfftfreq(grid[1]) * grid[1] / w
        low = down[:, None] ** 2 + right[None] ** 2 < FINEST**2
        if whole:
            low = down[:, None].abs() + right[None] < 0.5
        gain = low.to(y.device) / power.sqrt()
        spectra = spectra * gain
        energy = _product(spectra, spectra, grid[1])
        weight = 1 / (energy / energy.mean()).clamp_min(1e-3)
        one = torch.ones(len(stretches), device=y.device)
        found = cls(y.flatten(1), spectra, weight, gain, grid, stretches, reach if whole else -(-reach // 2), one)
        sample = found.some(torch.arange(0, len(y), max(1, len(y) // _SAMPLE), device=y.device))
        norm = found._energy(sample.spectra).sum()
        left = []
        for g in range(len(stretches)):
            motion = torch.full((len(sample),), g * found.window**2, device=y.device)
            there = sample.whitened(stretches.move(sample.aligned(motion), torch.full_like(motion, g)))
            left.append(_product(there, sample.spectra, grid[1]).sum() / norm)
        return replace(found, left=torch.stack(left))

    def __len__(self) -> int:
        return len(self.weight)

    def some(self, rows: Tensor) -> Self:
        """See `Look.some`."""
        parts = (self.straight[rows], self.spectra[rows], self.weight[rows])
        return replace(self, straight=parts[0], spectra=parts[1], weight=parts[2])

    @property
    def window(self) -> int:
        """Shifts along one axis."""
        return 2 * self.reach + 1

    def whitened(self, images: Tensor) -> Tensor:
        """(n, P) -> complex64 (n, C, h, w // 2 + 1)."""
        spectra: Tensor = _cut(torch.fft.rfft2(images.view(-1, *self.factors.shape)), self.grid) * self.gain
        return spectra

    def power(self, centres: Tensor) -> Tensor:
        """See `Look.power`."""
        return self._energy(self.whitened(centres))

    def own(self, motion: Tensor) -> Tensor:
        """See `Look.own`."""
        return self._energy(self.spectra)[:, None] * self.left[motion // self.window**2]

    def theta(self, motion: Tensor) -> Tensor:
        """float32 (n, 2, 3): the maps of motions int64 (n,), see `Motions`."""
        shift = self._shifts()
        at = motion % self.window**2
        theta = self.factors.theta[motion // self.window**2].clone()
        _, h, w = self.factors.shape
        tall, wide = self.grid
        along = torch.stack([shift[at % self.window] * w / wide, shift[at // self.window] * h / tall], 1)
        # the stretched image is shifted
        theta[:, :, 2] = -(theta[:, :, :2] @ along[:, :, None])[:, :, 0]
        return theta

    def _shifts(self) -> Tensor:
        device = self.weight.device
        return torch.cat([torch.arange(self.reach + 1, device=device), torch.arange(-self.reach, 0, device=device)])

    def best(self, centres: Tensor, own: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """See `Look.best`; centres float32 (K, P).  Copies count as strong as the centre, however it was stretched."""
        n, k = len(self), len(centres)
        norm = self.power(centres).sqrt()
        value = torch.full((n, k), -1.0, device=centres.device)
        motion = torch.zeros((n, k), dtype=torch.int64, device=centres.device)
        sign = torch.ones(n, k, device=centres.device)
        step = max(1, _VALUES // (k * self.gain[0].numel()))
        for g in range(len(self.factors)):
            ids = torch.full((k,), g, device=centres.device)
            copies = self.whitened(self.factors.move(centres, ids))
            copies = copies * (norm / self._energy(copies).sqrt().clamp_min(1e-12))[:, None, None, None]
            for i in range(0, n, step):
                rows = slice(i, i + step)
                product = torch.einsum("nchw,kchw->nkhw", self.spectra[rows], copies.conj())
                found = self.shifted(product)
                if own is not None:
                    there, part = own[0][rows, :, None], own[1][rows, :, None]
                    part = torch.where(there // self.window**2 == g, part, torch.zeros_like(part))
                    found.scatter_add_(2, there % self.window**2, -part)
                best, where = found.abs().max(2)
                better = best > value[rows]
                value[rows] = torch.where(better, best, value[rows])
                motion[rows] = torch.where(better, where + g * self.window**2, motion[rows])
                sign[rows] = torch.where(better, found.gather(2, where[..., None])[..., 0].sign(), sign[rows])
        return value, motion, sign

    def _energy(self, spectra: Tensor) -> Tensor:
        return _product(spectra, spectra, self.grid[1])

    def shifted(self, product: Tensor) -> Tensor:
        """float32 (..., motions): products (..., h, w // 2 + 1) of spectra summed, under all shifts."""
        tall, wide = self.grid
        at = self._shifts()
        found = torch.fft.irfft2(product, s=(tall, wide), norm="forward")
        shifted: Tensor = found[..., (at % tall)[:, None], (at % wide)[None]].flatten(-2)
        return shifted

    def aligned(self, motion: Tensor) -> Tensor:
        """See `Look.aligned`; nothing where a copy does not reach."""
        theta = self.theta(motion)
        row = torch.tensor([0.0, 0.0, 1.0], device=theta.device).expand(len(theta), 1, 3)
        back = torch.linalg.inv(torch.cat([theta, row], 1))[:, :2]
        ids = torch.arange(len(motion), device=motion.device)
        return Motions(back, self.factors.shape, 0.0).move(self.straight, ids)


def other_stretch(mixtures: Tensor, mass: Tensor, shape: Shape, reach: int, pairs: Tensor, mirrored: Tensor) -> float:
    """The share of pairs of mixtures that look most alike where one is stretched by another factor than 1.

    Args:
        mixtures, mass: see `Stretched.of`; reach: shifts that are looked at.
        pairs: int64 (m, 2), rows; mirrored: bool (m,), whether they look alike mirrored.
    """
    if not len(pairs):
        return 0.0
    stretches = factors(shape, NEAR, mirror=False)
    look = Stretched.of(mixtures, mass, stretches, reach, whole=True)
    some = torch.arange(0, len(pairs), max(1, -(-len(pairs) // PAIRS)), device=pairs.device)
    first, second = pairs[some].T
    here = look.straight[first].view(-1, *shape)
    spectra = look.whitened(torch.where(mirrored[some, None, None, None], here.flip(3), here))
    levels = []
    for g in range(len(stretches)):
        copies = look.whitened(stretches.move(look.straight[second], torch.full_like(second, g)))
        product = torch.einsum("nchw,nchw->nhw", spectra, copies.conj())
        levels.append(look.shifted(product).abs().max(1)[0] / look._energy(copies).sqrt().clamp_min(1e-12))
    return float((torch.stack(levels).argmax(0) != 0).double().mean())


def _half(size: int) -> int:
    """An even size of about half as many pixels."""
    return 2 * -(-size // 4)


def _cut(spectra: Tensor, grid: tuple[int, int]) -> Tensor:
    """The part (..., h, w // 2 + 1) of spectra (..., H, W // 2 + 1) that images of the size `grid` have."""
    if spectra.shape[-2] == grid[0]:
        return spectra
    low, half = spectra[..., : grid[1] // 2 + 1], grid[0] // 2
    return torch.cat([low[..., :half, :], low[..., -half:, :]], -2)


def _product(a: Tensor, b: Tensor, width: int) -> Tensor:
    """Inner products of what real images of a width have these halves of a spectrum, float32 (n,)."""
    both = torch.full((a.shape[3],), 2.0, device=a.device)
    both[0] = 1.0
    if width % 2 == 0:
        both[-1] = 1.0
    return ((a * b.conj()).real * both).sum((1, 2, 3))
