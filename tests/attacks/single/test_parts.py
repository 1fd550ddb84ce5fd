"""The steps of the attack, each against what it must give by its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics import candidates as module
from ihaudit.attacks.numerics.candidates import Candidates, Filter, Response
from ihaudit.attacks.numerics.transforms import Basis
from ihaudit.attacks.single.fit import fit_coefficients
from ihaudit.attacks.single.posterior import Recolourer
from ihaudit.attacks.single.prepare import magnitudes, sign_coherence, units
from ihaudit.attacks.single.published import match_by_ssim
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.nn.unmask import UnmaskNet
from tests.attacks.single.photographs import crops
from tests.nn.samples import SMALL


def masked(x: np.ndarray, seed: int = 0) -> np.ndarray:
    result: np.ndarray = x * np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), x.shape)
    return result


@pytest.mark.parametrize("channels", [1, 3])
def test_the_basis_keeps_inner_products(channels: int) -> None:
    x = torch.randn(5, channels, 20, 28)
    y = Basis((channels, 20, 28)).forward(x)
    assert torch.allclose(y @ y.T, x.flatten(1) @ x.flatten(1).T, rtol=1e-4, atol=1e-2)
    assert (Basis((channels, 20, 28)).bands.sum(1) == 1).all()


def _response(c: Candidates) -> Response:
    u = c.in_basis(torch.arange(len(c)))
    return Response(torch.ones(u.shape[1]), u.square().mean(0) + 1e-4, torch.ones(len(c)))


def test_blocks_give_what_one_pass_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    public, basis = crops("public", 150), Basis((3, 32, 32))
    whole = Candidates(public, basis)
    response = _response(whole)
    residual = torch.randn(4, 3072, generator=torch.Generator().manual_seed(0)) * response.power.sqrt()
    exclude = torch.tensor([[0, 149], [-1, 70], [-1, -1], [3, 4]])
    expected = whole.best(residual, response, 6, exclude)
    monkeypatch.setattr(module, "BLOCK", 64)
    monkeypatch.setattr(module, "KEPT", 10)
    again = Candidates(public, basis).best(residual, response, 6, exclude)
    for a, b in zip(expected, again):
        assert torch.allclose(a.float(), b.float(), rtol=1e-3, atol=1e-3)
    assert not torch.isin(expected[1][0], exclude[0]).any()


def test_scores_are_standard_normal_by_chance_and_find_what_is_there() -> None:
    c = Candidates(crops("public", 400), Basis((3, 32, 32)))
    response = _response(c)
    g = torch.Generator().manual_seed(1)
    noise = torch.randn(40, 3072, generator=g) * response.power.sqrt()
    f = Filter(noise, response, c.basis.bands)
    u = c.in_basis(torch.arange(400))
    z = (f.filter @ u.T) * f.norms(c.energy(u, response))
    assert abs(float(z.mean())) < 0.05 and 0.9 < float(z.std()) < 1.1
    index = torch.arange(40)
    values, found, coefficient = c.best(0.2 * u[:40] + noise * 0.5, response, 1)
    assert (found[:, 0] == index).float().mean() > 0.95 and float(values.median()) > 6
    assert abs(float(coefficient.median()) - 0.2) < 0.02


def test_coefficients_are_exact_where_signs_are_known() -> None:
    u = torch.from_numpy(2 * crops("public", 30) - 1).permute(0, 3, 1, 2)[:20].reshape(10, 2, 3, 32, 32)
    p = torch.from_numpy(2 * crops("private", 10) - 1).permute(0, 3, 1, 2)
    mean = torch.zeros(1, 3, 32, 32)
    m = 0.4 * u[:, 0] + 0.2 * u[:, 1] + 0.4 * p
    used = torch.tensor([[True, True, False]] * 10)
    images = torch.cat([u, u[:, :1]], 1)
    c = fit_coefficients(20 * m.sign(), m.abs(), images, used, mean, torch.zeros(10, 3))
    assert torch.allclose(c.median(0).values, torch.tensor([0.4, 0.2, 0.0]), atol=0.03) and (c[:, 2] == 0).all()
    alone = fit_coefficients(20 * u[:, 0].sign(), 0.3 * u[:, 0].abs(), images, used, mean, torch.zeros(10, 3))
    assert torch.allclose(alone[:, :2], torch.tensor([0.3, 0.0]), atol=0.01)


def test_black_encodings_and_flat_public_images_do_not_break_a_fit() -> None:
    zero = torch.zeros(2, 3, 16, 16)
    c = fit_coefficients(zero, zero, zero[:, None], torch.ones(2, 1, dtype=torch.bool), zero[:1], torch.zeros(2, 1))
    assert torch.isfinite(c).all()


@pytest.mark.parametrize("shape", [(1, 20, 17), (3, 32, 32), (3, 16, 40)])
def test_any_size_and_grey(shape: tuple[int, int, int]) -> None:
    x = torch.rand(3, *shape)
    out = Recolourer(UnmaskNet(SMALL).eval(), batch=2).logits(x)
    assert out.shape == x.shape and torch.isfinite(out).all()


def test_recognising_masks() -> None:
    x = 2 * crops("private", 10) - 1
    assert sign_coherence(x) > 0.85
    assert abs(sign_coherence(masked(x)) - 0.5) < 0.02
    magnitude, _ = magnitudes(View(masked(x), image_range=(-1, 1)), 7)
    np.testing.assert_allclose(magnitude, np.abs(x[:7]).transpose(0, 3, 1, 2))
    released_abs, _ = magnitudes(View(np.abs(x), image_range=(-1, 1)), 100)
    assert len(released_abs) == 10


@pytest.mark.parametrize(
    ("encodings", "image_range", "reason"),
    [
        (2 * crops("private", 4) - 1, (-1, 1), "no sign mask"),
        (crops("private", 4), (0, 1), "one sign"),
        (masked(crops("private", 4)), (-0.1, 2), "ranges around 0"),
        (np.zeros((4, 12, 12, 3)), (-1, 1), "at least 16 pixels"),
        (np.zeros((4, 32, 32, 4)), (-1, 1), "grey or colour"),
        (np.zeros((4, 100)), (-1, 1), "grey or colour"),
        (np.zeros((0, 32, 32, 3)), (-1, 1), "no encodings"),
        (masked(np.ones((4, 32, 32, 3), np.float32)), (-1, 1), "constant"),
    ],
)
def test_what_does_not_apply_is_said(encodings: np.ndarray, image_range: tuple[float, float], reason: str) -> None:
    with pytest.raises(NotApplicable, match=reason):
        magnitudes(View(np.asarray(encodings, np.float32), image_range=image_range), 100)


def test_units_go_both_ways() -> None:
    u = units((-2.0, 1.5))
    x = np.linspace(0, 1, 7, dtype=np.float32)
    np.testing.assert_allclose(u.shown(u.mixed(x)), x, atol=1e-6)
    assert u.mixed(np.zeros(1)) == -1 and u.mixed(np.ones(1)) == 0.75


def test_the_published_matching_finds_equal_weights() -> None:
    public, u = crops("public", 60), units((-1.0, 1.0))
    m = (u.mixed(public[:5]) + u.mixed(public[5:10])) / 2
    picks, rest = match_by_ssim(m.astype(np.float32), public, u.mixed, u.shown, k=2, count=2)
    hits = [set(p) == {i, i + 5} for i, p in enumerate(picks.tolist())]
    assert np.mean(hits) >= 0.6 and rest.shape == m.shape
    for i in np.flatnonzero(hits):
        assert np.abs(rest[i]).max() < 1e-5
