"""A stand-in for an encoder whose encodings lie in the plane, learned from pairs.

An encoder of few layers is learned from fewer pairs than its inverse: every place of every pair is an example, and what
is to be learned looks at little of the image.  It then encodes similar images for the training of a decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.fitting import bf16_is_fast

#: hidden channels where cells are patches of 4 x 4 pixels or more, and elsewhere
COARSE, FINE = 192, 64
#: images of a training step, peak learning rate
BATCH, RATE = 16, 3e-3
#: share of the steps after which the better of two reaches is kept
TRIAL = 0.15


class _Forward(nn.Module):
    """Patches of the image to cells of the encoding, by layers that look at 1 or 3 cells across."""

    def __init__(self, image: int, fold: int, maps: tuple[int, int, int], reach: int) -> None:
        super().__init__()
        c, h, w = maps
        self.fold, width = fold, COARSE if fold >= 4 else FINE
        self.enter = nn.Conv2d(image * fold**2, width, reach, padding=reach // 2)
        self.inside = nn.ModuleList([nn.Conv2d(width, width, reach, padding=reach // 2) for _ in range(2)])
        self.place = nn.Parameter(torch.zeros(1, width, h, w))
        self.last = nn.Conv2d(width, width, 1)
        self.leave = nn.Conv2d(width, c, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.enter(F.pixel_unshuffle(x - 0.5, self.fold)))
        for layer in self.inside:
            x = F.relu(layer(x))
        out: Tensor = self.leave(F.relu(self.last(x + self.place)))
        return out


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A fitted stand-in.

    Attributes:
        unexplained: share of the variance of held-out encodings that it does not explain.
    """

    net: nn.Module
    unexplained: float
    device: str

    @torch.no_grad()
    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (n, C, H, W) in [0, 1] -> standardised maps float32 (n, c, h, w)."""
        parts = [
            self.net(torch.from_numpy(np.ascontiguousarray(p)).to(self.device)).cpu().numpy()
            for p in np.array_split(images, max(1, len(images) // 64))
        ]
        return np.concatenate(parts)


def fit_surrogate(
    images: NDArray[np.float32],
    maps: NDArray[np.float32],
    held: tuple[NDArray[np.float32], NDArray[np.float32]],
    *,
    operations: float,
    seed: int,
    device: str = "cpu",
) -> Surrogate | None:
    """Learn to encode.

    Args:
        images: float32 (n, C, H, W) in [0, 1].
        maps: float32 (n, c, h, w), their standardised encodings.
        held: further pairs, for the choice between two networks and to say how good it is.
        operations: floating-point operations to spend.
        seed, device: of the training.

    Returns:
        The stand-in, or None where the encoding's cells are no patches of the image of 2 x 2 pixels or more.
    """
    h, w = images.shape[2:]
    rows, columns = maps.shape[2:]
    if h % rows or w % columns or h // rows != w // columns or h // rows < 2:
        return None
    fold, c = h // rows, images.shape[1]
    shape = (int(maps.shape[1]), int(rows), int(columns))

    def steps_of(net: nn.Module) -> int:
        cells = sum(p.numel() for name, p in net.named_parameters() if name != "place") * rows * columns
        return int(np.clip(operations / (6.0 * cells * BATCH), 60, 6000))

    trials = []
    for reach in (1, 3):
        torch.manual_seed(seed)
        net = _Forward(c, fold, shape, reach).to(device)
        trials.append(_Training(net, images, maps, steps_of(net), seed))
        trials[-1].go(max(20, int(TRIAL * trials[-1].total)))
    best = min(trials, key=lambda t: t.error(held))
    best.go(best.total)
    return Surrogate(best.net, best.error(held) / max(float(held[1].var()), 1e-12), device)


class _Training:
    """A network in training."""

    def __init__(
        self, net: _Forward, images: NDArray[np.float32], maps: NDArray[np.float32], total: int, seed: int
    ) -> None:
        self.net, self.images, self.maps, self.total, self.seed = net, images, maps, total, seed
        self.optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-3)
        self.step = 0

    def go(self, stop: int) -> None:
        """Train up to step `stop`."""
        device = next(self.net.parameters()).device
        for step in range(self.step, stop):
            for group in self.optimiser.param_groups:
                group["lr"] = RATE * min(1.0, (step + 1) / 20, (self.total - step) / (0.7 * self.total))
            some = np.random.default_rng([self.seed, 3, step]).permutation(len(self.images))[:BATCH]
            x, y = (torch.from_numpy(v[some]).to(device) for v in (self.images, self.maps))
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16_is_fast(str(device))):
                out = self.net(x)
            loss = F.mse_loss(out.float(), y)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
        self.step = max(self.step, stop)

    def error(self, held: tuple[NDArray[np.float32], NDArray[np.float32]]) -> float:
        """Mean squared error on held-out pairs."""
        answer = Surrogate(self.net, 0.0, str(next(self.net.parameters()).device))(held[0])
        return float(((answer - held[1]) ** 2).mean())
