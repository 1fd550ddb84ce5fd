"""Images that came out negated."""

from __future__ import annotations

import numpy as np
import torch

from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.negated import turn_negated, turned_by_guesses


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


def test_the_networks_guesses_turn_an_image_and_keep_another() -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    e, n, p = 40, 6, 200
    members = torch.from_numpy(np.stack([rng.permutation(n)[:2] for _ in range(e)]))
    mixing = Mixing(members, torch.rand(e, 2) * 0.3 + 0.1, torch.rand(e) * 0.1, n)
    truth = torch.randn(n + 1, p) + 0.5
    mixtures = mixing.dense @ truth + 0.2 * torch.randn(e, p)
    guesses = (torch.sign(mixtures) * torch.where(torch.rand(e) < 0.1, -1.0, 1.0)[:, None]).half()
    before, after = truth.clone(), truth.clone()
    before[2] *= -1  # is negated, and nobody has seen it
    after[2] *= -1
    after[4] *= -1  # is not, and was turned
    images, turned = turned_by_guesses(mixtures.abs(), guesses, mixing, before, after)
    assert turned == 1
    torch.testing.assert_close(images, truth)
