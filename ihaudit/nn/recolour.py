"""The 73-parameter network of Carlini et al. 2021, 4.6: one pixel of a reconstruction -> its colour, 3 -> 10 -> 3.

One network per way of recovery, since each distorts colours its way.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ihaudit.nn.fitting import TrainConfig

#: random starts, of which the best fit is kept: ten hidden units can die
STARTS = 4


class PixelNet(nn.Sequential):
    """float32 (..., 3) on [-1, 1] -> (..., 3); 3 * 10 + 10 + 10 * 3 + 3 = 73 parameters."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(3, 10), nn.ReLU(), nn.Linear(10, 3))


def fit(inputs: Tensor, targets: Tensor, config: TrainConfig) -> tuple[PixelNet, float]:
    """One pass over pixels float32 (n, 3), both on [-1, 1], from several starts; the best and its mean squared error.

    Batches are as large as `config.steps` steps to a pass make them.
    """
    best: tuple[PixelNet, float] | None = None
    for start in range(STARTS):
        generator = torch.Generator().manual_seed(config.seed * 1000 + start)
        net = PixelNet()
        for p in net.parameters():
            p.data = torch.rand(p.shape, generator=generator) * 2 - 1
            p.data /= 3**0.5 if p.shape[-1] == 3 else 10**0.5
        optimiser = torch.optim.Adam(net.parameters(), config.rate)
        order = torch.randperm(len(inputs), generator=generator)
        batches = order.chunk(config.steps)
        for step, batch in enumerate(batches):
            for group in optimiser.param_groups:
                group["lr"] = config.rate * (1 - step / len(batches))
            optimiser.zero_grad()
            nn.functional.mse_loss(net(inputs[batch]), targets[batch]).backward()
            optimiser.step()
        with torch.no_grad():
            error = float(nn.functional.mse_loss(net(inputs), targets))
        if best is None or error < best[1]:
            best = (net, error)
    assert best is not None
    return best
