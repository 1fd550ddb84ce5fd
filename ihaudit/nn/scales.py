"""How strong a picture is, place by place: the variance of each Haar coefficient, predicted from all its neighbours.

Photographs are strong where they are strong already: a coefficient's expected square follows those of its neighbours in
place, scale, orientation and colour by a factor of ten and more (Gaussian scale mixtures; Portilla et al. 2003).  What
public images leave in an encoding keeps much of that, so that least squares can trust every encoding where its public
images happen to be flat.  The networks see the other coefficients only, never the one whose variance they predict.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.axes import colour_axes

_FLOOR = 3e-3  # of a relative energy, below which logarithms do not tell flat from flatter
KINDS = ("mixture", "single")


@dataclass(frozen=True)
class ScalesConfig:
    """levels: of the pyramid (sides of pictures are multiples of 2^levels); hidden: width of each small network."""

    levels: int = 5
    hidden: int = 24

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def colours() -> Tensor:
    """float32 (3, 3), orthonormal opponent colours: rows are the axes, two of colour, then brightness."""
    return colour_axes(3)[[1, 2, 0]].float()


def pyramid(x: Tensor, levels: int) -> list[Tensor]:
    """Orthonormal Haar pyramid of pictures (n, 3, h, w): details (n, 3, 3, h / 2, w / 2) by colour and orientation, and
    so on to coarser ones, then what is left (n, 3, 1, h / 2^levels, w / 2^levels)."""
    out = []
    for _ in range(levels):
        a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
        out.append(torch.stack([a - b + c - d, a + b - c - d, a - b - c + d], 2) / 2)
        x = (a + b + c + d) / 2
    return [*out, x[:, :, None]]


def unpyramid(parts: list[Tensor]) -> Tensor:
    """The inverse of `pyramid`."""
    x = parts[-1][:, :, 0]
    for detail in reversed(parts[:-1]):
        p, q, r = detail.unbind(2)
        rows = [torch.stack([x + p + q + r, x - p + q - r], -1), torch.stack([x + p - q - r, x - p - q + r], -1)]
        n, c, h, w = x.shape
        x = torch.stack([v.reshape(n, c, h, 2 * w) for v in rows], 3).reshape(n, c, 2 * h, 2 * w) / 2
    return x


def _others(x: Tensor, *dims: int) -> Tensor:
    """The mean over `dims` of all but the entry itself."""
    count = 1
    for d in dims:
        count *= x.shape[d]
    return (x.sum(dims, keepdim=True) - x) / max(count - 1, 1)


def _near(x: Tensor) -> Tensor:
    """The mean of the up to eight neighbours in place, and one more of unit energy (at a picture's corner are few)."""
    n, c, o, h, w = x.shape
    flat = x.reshape(n, c * o, h, w)
    total = F.avg_pool2d(flat, 3, 1, padding=1, divisor_override=1) - flat + 1
    count = F.avg_pool2d(torch.ones(1, 1, h, w, device=x.device), 3, 1, padding=1, divisor_override=1)
    return (total / count).reshape(x.shape)


def _pooled(x: Tensor, shape: torch.Size) -> Tensor:
    n, c, o, h, w = x.shape
    return F.adaptive_avg_pool2d(x.reshape(n, c * o, h, w), (shape[3], shape[4])).reshape(n, c, o, *shape[3:])


def _doubled(x: Tensor) -> Tensor:
    """(n, colours, orientations, h, w) -> (n, colours, orientations, 2 h, 2 w), every place four times."""
    n, c, o, h, w = x.shape
    return x[:, :, :, :, None, :, None].expand(-1, -1, -1, -1, 2, -1, 2).reshape(n, c, o, 2 * h, 2 * w)


def context(energies: list[Tensor], level: int) -> Tensor:
    """What is known of a coefficient's size without looking at it.

    Args:
        energies: as from `pyramid`, squares relative to their population's mean.
        level: 0 for the finest; len(energies) - 1 for what is left at the end.

    Returns:
        float32 (colours * orientations, features, n, h, w): logarithms of mean energies.
    """
    last = len(energies) - 1
    me = energies[level]

    def log(x: Tensor) -> Tensor:
        return (x + _FLOOR).log()

    found = [log(_others(me, 1))]
    if level < last:
        found += [log(_others(me, 2)), log(_others(me, 1, 2))]
    if level < last - 1:  # where the smallest pictures have more than one place
        near = _near(me)
        found += [log(near), log(near.mean((1, 2), keepdim=True)), log(_others(me, 3, 4))]
        parent = energies[level + 1]
        found += [_doubled(log(p)) for p in (parent, parent.mean(2, keepdim=True), parent.mean((1, 2), keepdim=True))]
    elif level == last - 1:
        found += [log(energies[last]), log(energies[last].mean(1, keepdim=True))]
    for finer in range(max(0, level - 2), level):
        child = _pooled(energies[finer], me.shape)
        if finer == level - 1 and level < last:
            found.append(log(child))
        found += [log(child.mean(2, keepdim=True)), log(child.mean((1, 2), keepdim=True))]
    # places last, as they are in the energies: features last would be a copy with strides, and another one
    return torch.stack([f.expand_as(me).permute(1, 2, 0, 3, 4) for f in found], 2).flatten(0, 1)


class Level(nn.Module):
    """One small network per colour and orientation of one level.

    Buffers: the mean (log_energy) of the population's squares; means and spreads of features.
    """

    mean: Tensor
    spread: Tensor
    log_energy: Tensor

    def __init__(self, bands: int, features: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(bands, features, hidden) * features**-0.5)
        self.bias = nn.Parameter(torch.zeros(bands, 1, hidden))
        self.second = nn.Parameter(torch.zeros(bands, hidden, 1))
        self.level = nn.Parameter(torch.zeros(bands, 1, 1))
        self.register_buffer("mean", torch.zeros(bands, 1, features))
        self.register_buffer("spread", torch.ones(bands, 1, features))
        self.register_buffer("log_energy", torch.zeros(bands))

    def forward(self, x: Tensor) -> Tensor:
        """(bands, features, m) -> (bands, m); `x` is overwritten."""
        x = x.sub_(self.mean.mT).div_(self.spread.mT).clamp_(-5, 5)
        hidden = torch.baddbmm(self.bias.mT, self.first.mT, x)
        return torch.baddbmm(self.level, self.second.mT, F.silu(hidden))[:, 0]


class Scales(nn.Module):
    """Logarithms of expected squares, for mixtures of public images and for single images (`KINDS`)."""

    def __init__(self, config: ScalesConfig | None = None) -> None:
        super().__init__()
        self.config = config or ScalesConfig()
        side = 2**self.config.levels
        probe = [e**2 for e in pyramid(torch.zeros(1, 3, side, side), self.config.levels)]
        shapes = [context(probe, level).shape for level in range(len(probe))]
        self.nets = nn.ModuleDict(
            {k: nn.ModuleList([Level(s[0], s[1], self.config.hidden) for s in shapes]) for k in KINDS}
        )

    def relative(self, energies: list[Tensor], kind: str) -> list[Tensor]:
        """Energies over their population's mean."""
        return [e / self._energy(kind, level, e) for level, e in enumerate(energies)]

    def forward(self, relative: list[Tensor], kind: str, level: int) -> Tensor:
        """The logarithm of the expected relative energy at one level: shaped as ``relative[level]``."""
        x = context(relative, level)
        bands, features, n, h, w = x.shape
        found: Tensor = self.level(kind, level)(x.reshape(bands, features, n * h * w)).reshape(bands, n, h, w)
        return found.transpose(0, 1).reshape(relative[level].shape)

    def predict(self, energies: list[Tensor], kind: str) -> list[Tensor]:
        """Expected squares of all coefficients, given (expected) squares, in the same units and shapes."""
        relative = self.relative(energies, kind)
        return [self(relative, kind, k).exp() * self._energy(kind, k, e) for k, e in enumerate(relative)]

    def level(self, kind: str, level: int) -> Level:
        """The networks of one level."""
        return cast(Level, cast(nn.ModuleList, self.nets[kind])[level])

    def _energy(self, kind: str, level: int, like: Tensor) -> Tensor:
        return self.level(kind, level).log_energy.exp().reshape(1, *like.shape[1:3], 1, 1)
