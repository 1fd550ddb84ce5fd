"""The published recolouring network."""

from __future__ import annotations

import torch

from ihaudit.nn.fitting import TrainConfig
from ihaudit.nn.recolour import PixelNet, fit


def test_the_network_has_73_parameters_and_learns_a_colour_curve() -> None:
    assert sum(p.numel() for p in PixelNet().parameters()) == 73
    g = torch.Generator().manual_seed(0)
    true = torch.rand(6_000, 3, generator=g) * 2 - 1
    faded = 0.3 * true + 0.2
    net, error = fit(faded, true, TrainConfig(steps=200, rate=2e-2))
    assert error < 0.02 < float((faded - true).square().mean())
    again, _ = fit(faded, true, TrainConfig(steps=200, rate=2e-2))
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
