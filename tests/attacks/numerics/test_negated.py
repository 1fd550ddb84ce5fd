"""Images that came out negated."""

from __future__ import annotations

import numpy as np
import torch

from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.negated import turn_negated


def test_negated_images_are_turned_back() -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    e, n, p = 300, 6, 200
    members = torch.from_numpy(np.stack([rng.integers(0, n, e), rng.integers(-1, n, e)], 1))
    mixing = Mixing(members, torch.rand(e, 2) * 0.5, torch.rand(e) * 0.1, n)
    truth = torch.randn(n + 1, p) + 0.5  # a mean, so that negating the image and negating its contrast differ
    values = (mixing.dense @ truth + 0.2 * torch.randn(e, p)).abs()
    noise = torch.full((e,), 0.04)
    wrong = truth.clone()
    wrong[2] *= -1
    images, turned = turn_negated(values, mixing, Reconstruction(wrong, noise))
    assert turned == 1
    torch.testing.assert_close(images, truth)
    assert turn_negated(values, mixing, Reconstruction(truth, noise))[1] == 0
