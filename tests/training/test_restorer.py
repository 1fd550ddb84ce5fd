"""The loss of the restorer."""

from __future__ import annotations

import numpy as np
import torch

from ihaudit.metrics.ssim import ssim_challenge
from ihaudit.training.restorer import uniform_ssim


def test_differentiable_ssim_is_the_challenge_convention() -> None:
    a, b = torch.rand(6, 3, 32, 32) * 2 - 1, torch.rand(6, 3, 32, 32) * 2 - 1
    b = 0.7 * a + 0.3 * b
    shown = [((v + 1) / 2).permute(0, 2, 3, 1).numpy() for v in (a, b)]
    np.testing.assert_allclose(uniform_ssim(a, b, 2.0).numpy(), ssim_challenge(*shown), atol=1e-4)
