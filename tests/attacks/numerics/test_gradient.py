"""Eq. (1) and eq. (3): loss, gradient, symmetries, and what descent reaches."""

from __future__ import annotations

import pytest
import torch

from ihaudit.attacks.numerics.gradient import Adam, descend, descend_adam, objective, smaller_delta
from ihaudit.attacks.numerics.mixing import Mixing


def problem(
    e: int = 30, n: int = 4, p: int = 48, seed: int = 0, noise: float = 0.05
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Mixing]:
    """|C A + noise|, C (E, n), A (n, P), all float64, and the same as a `Mixing` with its public column."""
    g = torch.Generator().manual_seed(seed)
    members = torch.stack([torch.randperm(n, generator=g)[:2] for _ in range(e)])
    lam = torch.rand(e, 2, generator=g) * 0.3 + 0.2
    mixing = Mixing(members, lam, 1 - lam.sum(1), n)
    images = torch.rand(n, p, generator=g) * 2 - 1
    magnitude = (mixing.dense[:, :-1] @ images + noise * torch.randn(e, p, generator=g)).abs()
    return magnitude.double(), mixing.dense[:, :-1].double(), images.double(), mixing


def test_the_loss_is_that_of_the_definition() -> None:
    magnitude, c, _, _ = problem(e=9, p=5)
    guess = torch.randn(4, 5, generator=torch.Generator().manual_seed(1)).double()
    total = 0.0
    for i in range(9):
        for p in range(5):
            inner = float(c[i] @ guess[:, p])
            deltas = [float(magnitude[i, p]) - inner, -float(magnitude[i, p]) - inner]
            for d in deltas:  # both satisfy the constraint
                assert abs(inner + d) == pytest.approx(float(magnitude[i, p]))
            total += min(abs(d) for d in deltas) ** 2
    assert float(objective(magnitude, c, guess)) == pytest.approx(total / 45)


def test_autograd_of_the_loss_equals_differences() -> None:
    magnitude, c, _, _ = problem(e=7, p=3)
    guess = torch.randn(4, 3, generator=torch.Generator().manual_seed(2)).double().requires_grad_()
    weights = torch.linspace(0.5, 2, 7).double()
    assert torch.autograd.gradcheck(lambda a: objective(magnitude, c, a, weights), guess, eps=1e-7, atol=1e-6)


def test_negating_any_pixel_in_all_images_leaves_the_loss_as_it_was() -> None:
    magnitude, c, images, _ = problem()
    turned = images.clone()
    turned[:, ::3] *= -1
    # no image by itself can be negated
    single = images.clone()
    single[0] *= -1
    here = objective(magnitude, c, images)
    assert float(objective(magnitude, c, turned)) == pytest.approx(float(here))
    assert float(objective(magnitude, c, single)) > 2 * float(here)


def test_adam_follows_the_recorded_gradient() -> None:
    magnitude, c, _, _ = problem()
    settings = Adam(steps=25)
    ours = descend_adam(magnitude.float(), c.float(), settings=settings, limits=None)
    a = torch.full((4, 48), -1e-12, requires_grad=True)
    optimiser = torch.optim.Adam([a], lr=settings.rate, eps=1e-8)
    for _ in range(settings.steps):
        optimiser.zero_grad()
        # |.| of torch has gradient sign(.), as the published code's framework does
        loss = objective(magnitude.float(), c.float(), a) + settings.saturation * (1 - a.abs()).mean()
        loss.backward()
        optimiser.step()
    torch.testing.assert_close(ours, a.detach(), rtol=1e-3, atol=1e-4)


def test_from_zero_every_value_comes_out_negative() -> None:
    magnitude, c, images, _ = problem(e=80)
    found = descend_adam(magnitude.float(), c.float(), settings=Adam(steps=200))
    assert (found < 0).float().mean() > 0.85  # four images leave a few pixels a way out; a hundred leave none
    assert (images < 0).double().mean() < 0.6
    assert found.min() >= -1 and found.max() <= 1


def test_known_signs_make_adam_least_squares() -> None:
    _, c, images, _ = problem(noise=0.0)
    signed = (c @ images).float()
    found = descend_adam(signed, c.float(), settings=Adam(steps=600, saturation=0.0), signed=True)
    torch.testing.assert_close(found, images.float(), atol=0.02, rtol=0)


def test_preconditioned_descent_never_climbs_and_ends_at_a_minimum() -> None:
    magnitude, _, images, mixing = problem(noise=0.1)
    magnitude = magnitude.float()
    a = torch.cat([images.float() + 0.4 * torch.randn(images.shape), torch.zeros(1, 48)])
    c = mixing.dense
    before = float(objective(magnitude, c, a))
    for _ in range(30):
        a, residual = descend(magnitude, mixing, a, (3, 4, 4), rounds=(1,), surroundings=None)
        now = float(objective(magnitude, c, a))
        assert now <= before + 1e-6
        before = now
    at = a.clone().requires_grad_()
    objective(magnitude, c, at).backward()
    assert at.grad is not None and float(at.grad.abs().max()) < 1e-3
    assert float(residual.mean()) == pytest.approx(before, rel=0.05)


def test_from_the_truth_the_truth_is_kept() -> None:
    magnitude, _, images, mixing = problem(noise=0.0)
    start = torch.cat([images.float(), torch.zeros(1, 48)])
    for surroundings in (None,):
        found, residual = descend(magnitude.float(), mixing, start, (3, 4, 4), surroundings=surroundings)
        torch.testing.assert_close(found[:-1], images.float(), atol=0.02, rtol=0.02)
        assert float(residual.max()) < 1e-3


def test_smaller_delta_breaks_ties_upwards() -> None:
    assert smaller_delta(torch.tensor([0.5, 0.5, 0.5]), torch.tensor([0.0, -0.1, 0.2])).tolist() == pytest.approx(
        [0.5, -0.4, 0.3]
    )
