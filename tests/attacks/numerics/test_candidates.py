"""Matched filters: blocks, scores by chance, and what is found."""

from __future__ import annotations

import pytest
import torch

from ihaudit.attacks.numerics import candidates as module
from ihaudit.attacks.numerics.candidates import Candidates, Filter, Response
from ihaudit.attacks.numerics.transforms import Basis
from tests.attacks.single.photographs import crops


def plain_response(c: Candidates) -> Response:
    u = c.in_basis(torch.arange(len(c)))
    return Response(torch.ones(u.shape[1]), u.square().mean(0) + 1e-4, torch.ones(len(c)))


def test_blocks_give_what_one_pass_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    public, basis = crops("public", 150), Basis((3, 32, 32))
    whole = Candidates(public, basis)
    response = plain_response(whole)
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
    response = plain_response(c)
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
