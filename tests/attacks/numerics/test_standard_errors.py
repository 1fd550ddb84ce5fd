"""Standard errors of weighted least squares against the errors made."""

from __future__ import annotations

import numpy as np
import torch

from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.standard_errors import standard_errors


def test_least_squares_and_its_standard_errors_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    e, n, p = 400, 4, 500
    members = torch.from_numpy(np.stack([rng.integers(0, n, e), rng.integers(0, n, e)], 1))
    mixing = Mixing(members, torch.rand(e, 2) * 0.5, torch.rand(e) * 0.1, n)
    truth = torch.randn(n + 1, p)
    noise = torch.rand(e) * 0.05 + 0.02
    x = mixing.dense @ truth + noise.sqrt()[:, None] * torch.randn(e, p)
    estimate = weighted(x.abs(), mixing, torch.ones(e), signs=torch.sign(x))
    error, doubt = standard_errors(x.abs(), torch.sign(x), mixing, estimate)
    reached = (estimate.images[:-1] - truth[:-1]).square().mean(1).sqrt()
    torch.testing.assert_close(reached, error, rtol=0.15, atol=0)
    assert doubt.abs().max() == 0
    torch.testing.assert_close(estimate.noise.mean(), noise.mean(), rtol=0.05, atol=0)
    _, more = standard_errors(x.abs(), 0.5 * torch.sign(x), mixing, Reconstruction(estimate.images, estimate.noise))
    assert more.min() > 0
