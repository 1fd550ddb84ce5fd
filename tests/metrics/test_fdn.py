"""`ssim_fdn` is the statistic of the published code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.metrics.fdn import ssim_fdn, ssim_fdn_tensors
from tests.data import load_images
from tests.pictures import pictures


def by_convolution(a: np.ndarray, b: np.ndarray) -> float:
    """The same by two-dimensional convolutions of one pair, as its definition reads."""
    mean, deviation = np.array([0.4914, 0.4822, 0.4465]), np.array([0.2023, 0.1994, 0.2010])
    x, y = (torch.from_numpy(((v - mean) / deviation).transpose(2, 0, 1)[None]) for v in (a, b))
    line = torch.exp(-((torch.arange(8, dtype=torch.float64) - 4) ** 2) / 4.5)
    line /= line.sum()
    window = torch.outer(line, line).expand(3, 1, 8, 8).contiguous()

    def smooth(v: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv2d(v, window, padding=4, groups=3)

    mx, my = smooth(x), smooth(y)
    sx, sy, cross = smooth(x * x) - mx**2, smooth(y * y) - my**2, smooth(x * y) - mx * my
    value = ((2 * mx * my + 1e-4) * (2 * cross + 9e-4)) / ((mx**2 + my**2 + 1e-4) * (sx + sy + 9e-4))
    assert value.shape[2:] == (a.shape[0] + 1, a.shape[1] + 1)
    return float(value.mean())


def test_it_agrees_with_its_definition() -> None:
    x = pictures(6)
    y = np.clip(x + np.random.default_rng(0).normal(0, 0.1, x.shape), 0, 1)
    np.testing.assert_allclose(ssim_fdn(x, y), [by_convolution(a, b) for a, b in zip(x, y)], atol=1e-9)
    np.testing.assert_allclose(ssim_fdn(x, x), 1)
    assert ssim_fdn(x[..., :1], x[..., :1]).shape == (6,)


def test_it_reproduces_what_degraded_images_score() -> None:
    """Figures measured independently: a perfect image one pixel lower, another photograph, a flat image."""
    x = load_images("cifar10_eval")[0][:200]
    assert ssim_fdn(np.roll(x, 1, 1), x).mean() == pytest.approx(0.594, abs=0.005)
    assert ssim_fdn(np.roll(x, 1, 0), x).mean() == pytest.approx(0.121, abs=0.01)
    flat = np.broadcast_to(x.mean((1, 2), keepdims=True), x.shape)
    assert ssim_fdn(flat, x).mean() == pytest.approx(0.137, abs=0.005)


def test_the_differentiable_one_is_the_same() -> None:
    x = pictures(4).astype(np.float64)
    y = x + np.random.default_rng(0).normal(0, 0.1, x.shape)  # not clipped, as in training
    a, b = (torch.from_numpy(v.transpose(0, 3, 1, 2).copy()) for v in (x, y))
    np.testing.assert_allclose(ssim_fdn_tensors(a, b).numpy(), ssim_fdn(x, y), atol=1e-9)
