"""A learned inverse: from encodings of any shape, and first guesses of the image, to images.

The first guess is what closed forms answer (`ihaudit.attacks.numerics.known_pairs`); the network starts as that guess
and learns what is to be changed in it, so that few pairs do not make it worse.  Encodings that lie in the plane
(pictures, feature maps, tokens in order) are given to it as well, at their own resolution first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ihaudit.metrics.ssim import ssim_tensors
from ihaudit.nn.fitting import Task, TrainConfig, autocast, bf16_is_fast, train
from ihaudit.nn.unet import ResidualBlock

#: sides of images are padded to multiples of this
MULTIPLE = 4
#: weight of 1 - SSIM against the mean absolute error
SSIM_WEIGHT = 0.3


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes.

    Attributes:
        image: (H, W, C).
        maps: (h, w, c) of encodings that lie in the plane, or None.
        guesses: first guesses given, at least one; the first is what the network starts as.
        width, deep: channels at 1/2 and 1/4 of the image's resolution; `own`: at that of the maps.
        blocks: residual blocks at each level and direction; groups: of the normalisation.
        reach: cells across that layers at the maps' resolution look at, 1 or 3.
        drop: probability that a channel is left out in training, of the maps' layers and of the deepest.
    """

    image: tuple[int, int, int]
    maps: tuple[int, int, int] | None = None
    guesses: int = 1
    width: int = 48
    deep: int = 64
    own: int = 96
    blocks: int = 1
    groups: int = 8
    reach: int = 3
    drop: float = 0.1

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


class Decoder(nn.Module):
    """Two levels of a residual U-Net on guesses and on what the encoding's own layers make of it."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        h, w, c = config.image
        self.height, self.width = h + -h % MULTIPLE, w + -w % MULTIPLE
        a, b = config.width, config.deep

        def level(width: int, count: int = config.blocks) -> nn.Sequential:
            return nn.Sequential(*[ResidualBlock(width, config.groups) for _ in range(count)])

        inputs = 4 * c * config.guesses
        if config.maps is not None:
            self.own = _Own(config, (self.height // 2, self.width // 2))
            inputs += a
        self.stem = nn.Conv2d(inputs, a, 3, padding=1)
        self.down, self.to_deep = level(a), nn.Conv2d(a, b, 2, 2)
        self.middle, self.from_deep = level(b, 2 * config.blocks), nn.ConvTranspose2d(b, a, 2, 2)
        self.up = level(a)
        self.head = nn.Conv2d(a, 4 * c, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, guesses: Tensor, maps: Tensor | None) -> Tensor:
        """(B, guesses * C, H, W) in about [0, 1] and (B, c, h, w), standardised, or None -> (B, C, H, W)."""
        h, w, c = self.config.image
        x = F.pixel_unshuffle(_padded(guesses, self.height, self.width) - 0.5, 2)
        if maps is not None:
            x = torch.cat([x, F.dropout2d(self.own(maps), self.config.drop, self.training)], 1)
        x = self.down(self.stem(x))
        deep = F.dropout2d(self.middle(self.to_deep(x)), self.config.drop, self.training)
        x = self.up(x + self.from_deep(deep))
        change = F.pixel_shuffle(self.head(F.silu(x)), 2).float()
        return guesses[:, :c].float() + change[..., :h, :w]


class _Own(nn.Module):
    """Layers at the resolution of the encoding, and the way from it to half the image's."""

    def __init__(self, config: DecoderConfig, goal: tuple[int, int]) -> None:
        super().__init__()
        assert config.maps is not None
        h, w, c = config.maps
        self.goal, self.image = goal, config.image[:2]
        self.whole = (h, w) == self.image  # as large as the image: 2 x 2 neighbourhoods become channels, as of guesses
        if self.whole:
            (h, w), c = goal, 4 * c
        self.fold = h // goal[0] if h % goal[0] == 0 and w % goal[1] == 0 and h // goal[0] == w // goal[1] else 0
        if self.fold > 1:
            (h, w), c = goal, c * self.fold**2
        elif h > goal[0] or w > goal[1]:
            h, w = goal
        self.size = (h, w)
        self.enter = nn.Conv2d(c, config.own, 1)
        self.place = nn.Parameter(torch.zeros(1, config.own, h, w))  # what the encoder adds for each place
        self.blocks = nn.Sequential(
            *[ResidualBlock(config.own, config.groups, config.reach) for _ in range(config.blocks)]
        )
        self.spread = goal[0] // h if goal[0] % h == 0 and goal[1] % w == 0 and goal[0] // h == goal[1] // w else 0
        self.leave = nn.Conv2d(config.own, config.width * max(1, self.spread) ** 2, 1)

    def forward(self, maps: Tensor) -> Tensor:
        if self.whole:
            maps = F.pixel_unshuffle(_padded(maps, 2 * self.goal[0], 2 * self.goal[1]), 2)
        elif self.fold > 1:
            maps = F.pixel_unshuffle(maps, self.fold)
        elif maps.shape[2:] != self.size:
            maps = F.interpolate(maps, self.size, mode="bilinear", antialias=True)
        x = self.leave(self.blocks(self.enter(maps) + self.place))
        if self.spread:
            return F.pixel_shuffle(x, self.spread)
        return F.interpolate(x, self.goal, mode="bilinear")


def _padded(x: Tensor, height: int, width: int) -> Tensor:
    down, right = height - x.shape[2], width - x.shape[3]
    return F.pad(x, (0, right, 0, down), mode="replicate") if down or right else x


class Imagined(Protocol):
    """First guesses of further images, as they would be if these were encoded too."""

    def __call__(self, rng: np.random.Generator, count: int) -> Pairs:
        """So many of them."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Images float32 (n, C, H, W), their first guesses (n, guesses * C, H, W), maps (n, c, h, w) or None."""

    images: NDArray[np.float32]
    guesses: NDArray[np.float32]
    maps: NDArray[np.float32] | None = None

    def take(self, rows: NDArray[np.int64]) -> Pairs:
        """Some of them."""
        maps = None if self.maps is None else self.maps[rows]
        return Pairs(self.images[rows], self.guesses[rows], maps)


def _joined(a: Pairs, b: Pairs) -> Pairs:
    maps = None if a.maps is None or b.maps is None else np.concatenate([a.maps, b.maps])
    return Pairs(np.concatenate([a.images, b.images]), np.concatenate([a.guesses, b.guesses]), maps)


Batch = tuple[Tensor, Tensor, Tensor | None]


class DecodingTask(Task[Decoder, Batch]):
    """Training on pairs, or on imagined ones; validated on held-out pairs by 1 - SSIM."""

    def __init__(
        self, config: DecoderConfig, pairs: Pairs, held: Pairs, imagined: Imagined | None, share: float
    ) -> None:
        super().__init__(config.as_dict())
        self.config, self.pairs, self.held = config, pairs, held
        self.imagined, self.share = imagined, share

    def build(self) -> Decoder:
        return Decoder(self.config)

    def draw(self, rng: np.random.Generator, config: TrainConfig) -> Batch:
        share = 0.0 if self.imagined is None else self.share
        count = min(round(config.batch * (1 - share)), len(self.pairs.images))
        batch = self.pairs.take(rng.permutation(len(self.pairs.images))[:count])
        if self.imagined is not None:
            batch = _joined(batch, self.imagined(rng, config.batch - count))
        return _tensors(batch, config.device)

    def loss(self, net: Decoder, batch: Batch, config: TrainConfig) -> Tensor:
        images, guesses, maps = batch
        with autocast(config):
            out = net(guesses, maps)
        loss: Tensor = (out - images).abs().mean() + SSIM_WEIGHT * (1 - ssim_tensors(out, images)).mean()
        return loss

    def validate(self, net: Decoder, config: TrainConfig) -> dict[str, float]:
        out = decode(net, self.held.guesses, self.held.maps, config.device)
        reached = ssim_tensors(torch.from_numpy(out), torch.from_numpy(self.held.images))
        return {"loss": 1 - float(reached.mean())}

    def describe(self, figures: Mapping[str, float]) -> str:
        return f"SSIM {1 - figures['loss']:.3f}"


def _tensors(pairs: Pairs, device: str) -> Batch:
    images, guesses = (torch.from_numpy(v).to(device) for v in (pairs.images, pairs.guesses))
    return images, guesses, None if pairs.maps is None else torch.from_numpy(pairs.maps).to(device)


@torch.no_grad()
def decode(
    net: Decoder, guesses: NDArray[np.float32], maps: NDArray[np.float32] | None, device: str
) -> NDArray[np.float32]:
    """float32 (n, C, H, W) in [0, 1]: what the network makes of encodings; arguments as in `Pairs`."""
    out = []
    for rows in np.array_split(np.arange(len(guesses)), max(1, len(guesses) // 64)):
        given = torch.from_numpy(guesses[rows]).to(device)
        laid = None if maps is None else torch.from_numpy(maps[rows]).to(device)
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=bf16_is_fast(device)):
            out.append(net(given, laid).clamp(0, 1).cpu().numpy())
    return np.concatenate(out)


def cost(config: DecoderConfig) -> float:
    """Floating-point operations of one training step on one image (forward and backward)."""
    h, w, c = config.image
    net = Decoder(config)
    maps = None if config.maps is None else torch.zeros(1, config.maps[2], *config.maps[:2])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, c * config.guesses, h, w), maps)
    return 3.0 * float(counter.get_total_flops())


def fit_decoder(
    config: DecoderConfig,
    pairs: Pairs,
    held: Pairs,
    *,
    imagined: Imagined | None = None,
    share: float = 1.0,
    operations: float,
    seed: int,
    device: str = "cpu",
    batch: int = 16,
    rate: float = 1e-3,
    progress: Any = None,
) -> tuple[Decoder, dict[str, Any]]:
    """Train a decoder with a budget of floating-point operations, so that the same seed gives the same network.

    Args:
        config: sizes.
        pairs: to train on; held: to stop early by.
        imagined: where given, `share` of every batch is made by it and the rest of `pairs`.
        operations: the budget.
        seed, device, batch, rate: see `TrainConfig`.
        progress: called with the finished fraction after each step.

    Returns:
        The network of the best validation, and its record with ``seconds``, ``steps`` and ``history``.
    """
    steps = int(np.clip(operations / (cost(config) * batch), 40, 20_000))
    every = max(20, steps // 16)
    settings = TrainConfig(
        steps=steps,
        batch=batch,
        rate=rate,
        warm_up=0.05,
        cool_down=0.6,
        average=0.98,
        every=every,
        patience=6,
        bf16=bf16_is_fast(device),
        seed=seed,
        device=device,
    )
    began = time.process_time()
    report = None if progress is None else (lambda step: progress(step / steps))
    net, record = train(DecodingTask(config, pairs, held, imagined, share), settings, None, lambda line: None, report)
    return net, record | {"cpu_s": time.process_time() - began}
