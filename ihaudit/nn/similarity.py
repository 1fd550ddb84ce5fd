"""Do two encodings share a private image?  An encoder run once per encoding, and a cheap head for pairs.

Carlini et al. 2021, 4.3.1, stack the two encodings and run a Wide ResNet-28 on every pair: 12.5 million runs for 5,000
encodings.  Here each encoding is embedded once: its mask is undone as far as the mask recovery network can
(`ihaudit.nn.unmask`, fine-tuned), which makes what two encodings have in common linear in each coefficient instead
of quadratic, as it is in |m|^2.  Three views are taken of it: a block DCT of the recoloured mixture, a block DCT of the
squares (free of any error in the signs), and learned features.  Two encodings are compared by inner products of each
view over each block of 8 x 8 pixels and each band of frequencies; a small network turns those numbers (256 for
32 x 32 x 3), and what the labels say of the coefficients, into log odds.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.axes import colour_axes, dct_matrix
from ihaudit.nn.unet import MIN_SIDE, MULTIPLE, padded
from ihaudit.nn.unmask import UnmaskConfig, UnmaskNet
from ihaudit.nn.weights import tuples

Shape = tuple[int, int, int]

#: Shape (C, H, W) of the encodings that the shipped networks are made for.
SHAPE: Shape = (3, 32, 32)
_BLOCK, _EPS = 8, 1e-6
#: Upper ends (horizontal + vertical index) of the DCT bands of a block.
_BANDS = (1, 4, 14)


@dataclass(frozen=True)
class PairConfig:
    """Sizes: of the mask recovery network, learned features (a multiple of `groups`), the head, and the encodings.

    Raises:
        ValueError: `shape` (C, H, W) has other channels than the mask recovery network, or a side below 16.
    """

    unmask: UnmaskConfig = field(default_factory=UnmaskConfig)
    learned: int = 32
    groups: int = 4
    hidden: int = 64
    shape: Shape = SHAPE

    def __post_init__(self) -> None:
        if self.unmask.channels != self.shape[0] or min(self.shape[1:]) < MIN_SIDE:
            raise ValueError(
                f"no pair network for shape {self.shape}: it needs {self.unmask.channels} channels, as its mask "
                f"recovery network has, and sides of at least {MIN_SIDE}"
            )

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; `shape` only where it is not the shipped one, so that older cards and checkpoints say the same."""
        described = {"kind": "encoder", **asdict(self), "unmask": self.unmask.as_dict()}
        if self.shape == SHAPE:
            del described["shape"]
        return described

    @staticmethod
    def of(described: dict[str, Any]) -> PairConfig:
        """From a card's ``network``."""
        rest = {k: v for k, v in tuples(described).items() if k not in ("kind", "unmask")}
        return PairConfig(unmask=UnmaskConfig(**tuples(described["unmask"])), **rest)


@dataclass(frozen=True)
class Facts:
    """What the release says of the slots that are compared, one entry per slot.

    Attributes:
        mass: float32 (n,) coefficient of the slot's image, as far as the label tells.
        share: float32 (n,) weight of everything else that the label does not name.
        shared: bool (n,): two images of the encoding have this class, so either may be the one in common.
        known: the labels carry coefficients; without, `mass` is a guess.
        moved: images are shifted by a few pixels from encoding to encoding.
    """

    mass: Tensor
    share: Tensor
    shared: Tensor
    known: bool = True
    moved: bool = False

    def __getitem__(self, index: Any) -> Facts:
        return Facts(self.mass[index], self.share[index], self.shared[index], self.known, self.moved)


#: One tensor (blocks, n, dimensions) per view and band.
Embedding = list[Tensor]
#: Inputs of the head besides the products.
EXTRAS = 6


class PairNet(nn.Module):
    """`embed` every encoding once, then `compare` any slots with any others."""

    def __init__(self, config: PairConfig | None = None) -> None:
        super().__init__()
        self.config = config or PairConfig()
        c = self.config
        self.unmask = UnmaskNet(c.unmask)
        a, channels = c.unmask.widths[0], c.shape[0]
        self.learn = nn.Sequential(
            nn.Conv2d(a + 8 * channels, 64, 3, padding=1),
            nn.GroupNorm(8, 64),
            nn.SiLU(),
            nn.Conv2d(64, c.learned, 3, padding=1),
        )
        self.register_buffer("basis", block_dct(channels), persistent=False)
        bands = _bands(channels)
        self.bands = [torch.nonzero(bands == b)[:, 0] for b in range(int(bands.max()) + 1)]
        high, wide = (n + -n % MULTIPLE for n in c.shape[1:])
        side = (high // _BLOCK, wide // _BLOCK)
        n_dct = len(bands)
        self.centre = nn.ParameterList([nn.Parameter(torch.zeros(1, n_dct, *side)) for _ in range(2)])
        self.centre.append(nn.Parameter(torch.zeros(1, c.learned, high // 2, wide // 2)))
        self.gain = nn.ParameterList([nn.Parameter(torch.zeros(n)) for n in (n_dct, n_dct, c.learned)])
        self.blocks = side[0] * side[1]
        self.head = PairHead(self.blocks * self.views, c.hidden)

    @property
    def shape(self) -> Shape:
        """(C, H, W) of the encodings that it is made for."""
        return self.config.shape

    @property
    def views(self) -> int:
        """Number of tensors in an embedding."""
        return 2 * len(self.bands) + self.config.groups

    def views_of(self, magnitude: Tensor) -> list[Tensor]:
        """The three views of |encodings| (n, C, H, W), before centres and gains: (n, d, rows, columns) each."""
        magnitude = padded(magnitude.float())
        scale = magnitude.square().mean((1, 2, 3), keepdim=True).sqrt() + _EPS
        features = self.unmask.features(magnitude, torch.zeros_like(magnitude))
        relative = magnitude / scale
        mixture = relative * torch.tanh(self.unmask.logits(features) / 2)
        squares = relative.square().clamp_max(16) - 1
        inputs = torch.cat([F.pixel_unshuffle(mixture, 2), F.pixel_unshuffle(relative, 2), features.float()], 1)
        learned = self.learn(inputs).float()
        basis: Any = self.basis
        with torch.autocast(magnitude.device.type, enabled=False):
            return [F.conv2d(mixture, basis, stride=_BLOCK), F.conv2d(squares, basis, stride=_BLOCK), learned]

    @torch.no_grad()
    def whiten(self, magnitude: Tensor) -> None:
        """Sets centres and gains so that the embeddings of these encodings (n, C, H, W) have mean 0, variance 1."""
        parts = [self.views_of(m) for m in magnitude.split(64)]
        for i, (centre, gain) in enumerate(zip(self.centre, self.gain)):
            x = torch.cat([p[i] for p in parts])
            centre.copy_(x.mean(0, keepdim=True))
            gain.copy_(-(x - centre).square().mean((0, 2, 3)).sqrt().clamp_min(1e-4).log())

    def embed(self, magnitude: Tensor) -> Embedding:
        """(n, C, H, W) |encodings| -> one (blocks, n, d) tensor per view and band, of unit mean square per view."""
        out: Embedding = []
        for i, x in enumerate(self.views_of(magnitude)):
            z = (x - self.centre[i]) * self.gain[i].exp()[:, None, None]
            z = z / (z.square().mean((1, 2, 3), keepdim=True).sqrt() + _EPS)
            if i < 2:
                z = z.flatten(2).permute(2, 0, 1)
                out += [z[:, :, b.to(z.device)] / math.sqrt(len(b)) for b in self.bands]
            else:
                n, half = len(z), _BLOCK // 2
                z = z.unfold(2, half, half).unfold(3, half, half)  # (n, C, rows, columns, half, half)
                z = z.permute(2, 3, 0, 1, 4, 5).reshape(self.blocks, n, self.config.groups, -1)
                out += [part / math.sqrt(z.shape[3]) for part in z.unbind(2)]
        return out

    def compare(self, a: Embedding, b: Embedding, facts_a: Facts, facts_b: Facts) -> Tensor:
        """Log odds (n, m), at even prior odds, that slot i of `a` and slot j of `b` hold the same image."""
        n, m = a[0].shape[1], b[0].shape[1]
        inputs = products(a, b).view(-1, n * m), extras(facts_a, facts_b).view(EXTRAS, n * m)
        return self.head.odds(self.head.hidden(*inputs)).view(n, m)

    def compare_some(self, z: Embedding, facts: Facts, i: Tensor, j: Tensor) -> Tensor:
        """Log odds (N,) of slots i with slots j, int64 (N,), of one embedding."""
        n = z[0].shape[1]
        pair = i * n + j
        inputs = products(z, z).view(-1, n * n)[:, pair], extras(facts, facts).view(EXTRAS, n * n)[:, pair]
        return self.head.odds(self.head.hidden(*inputs))


def products(a: Embedding, b: Embedding) -> Tensor:
    """Inner products per view and block: (views * blocks, n, m)."""
    return torch.cat([torch.bmm(x, y.transpose(1, 2)) for x, y in zip(a, b)])


def extras(a: Facts, b: Facts) -> Tensor:
    """What the head sees besides: (EXTRAS, n, m), symmetric in the two slots."""
    la, lb = (f.mass.clamp_min(0.01).log() + 1.5 for f in (a, b))
    pairs = [
        la[:, None] + lb[None],
        (la[:, None] - lb[None]).abs(),
        a.share[:, None] + b.share[None] - 1,
        a.shared[:, None].float() + b.shared[None].float(),
    ]
    flags = [torch.full_like(pairs[0], float(a.known)), torch.full_like(pairs[0], float(a.moved))]
    return torch.stack(pairs + flags)


class PairHead(nn.Module):
    """The products of one pair -> log odds; the coefficients gate how much each product tells."""

    def __init__(self, products: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(products, hidden)
        self.gate = nn.Sequential(nn.Linear(EXTRAS, 32), nn.SiLU(), nn.Linear(32, 2 * hidden))
        self.second = nn.Linear(hidden, 32)
        self.last = nn.Linear(32, 1)
        self.direct = nn.Linear(hidden, 1)
        for layer in (self.last, self.direct):  # begins at even odds
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def hidden(self, products: Tensor, facts: Tensor) -> Tensor:
        """(products, N), (EXTRAS, N) -> (N, hidden)."""
        gate, offset = self.gate(facts.T).chunk(2, 1)
        h: Tensor = torch.addmm(self.first.bias, products.T, self.first.weight.T * 8) * (1 + gate) + offset
        return h

    def odds(self, hidden: Tensor) -> Tensor:
        """(N, hidden) -> log odds (N,)."""
        odds: Tensor = self.last(F.silu(self.second(F.silu(hidden)))) + self.direct(hidden)
        return odds[:, 0].float()


def block_dct(channels: int) -> Tensor:
    """Filters (64 C, C, 8, 8): orthonormal DCT of decorrelated colours; colour-major, then rows, then columns."""
    d = dct_matrix(_BLOCK)
    return torch.einsum("kc,uy,vx->kuvcyx", colour_axes(channels), d, d).reshape(-1, channels, _BLOCK, _BLOCK).float()


def _bands(channels: int) -> Tensor:
    """Band of each of the 64 C filters: low, middle, high of grey, then of all colours together."""
    n = torch.arange(_BLOCK)
    order = (n[:, None] + n[None]).flatten()
    band = sum((order > top).long() for top in _BANDS[:-1])
    assert isinstance(band, Tensor)
    return torch.cat([band, *[band + len(_BANDS)] * (channels - 1)])
