"""Attacks on an accelerator: every tensor where it must be, by a stand-in (`tests.attacks.accelerator`)."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.moved_grouping import Seen
from ihaudit.attacks.stages.grouping import signed
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from tests.attacks.accelerator import OnWrongDevice, accelerator
from tests.attacks.releases import instahide


def test_the_stand_in_refuses_what_cuda_refuses() -> None:
    here = torch.ones(3)
    with accelerator():
        there = torch.zeros(3, device="cuda")
        assert there.device.type == "cuda" and (there + 1).is_cuda and here.to("cuda").sum().device.type == "cuda"
        assert (there * torch.tensor(2.0)).cpu().numpy().tolist() == [0, 0, 0]
        assert torch.arange(3, device=there.device).device.type == "cuda" and there[torch.arange(2)].is_cuda
        assert not there.cpu().is_cuda and not torch.zeros(2).is_cuda and there.double().is_cuda
        for wrong in (
            lambda: there + here,
            lambda: torch.cat([there, here]),
            lambda: here[there.long()],
            lambda: there.numpy(),
            lambda: np.asarray(there),
            lambda: torch.linalg.solve(torch.eye(3), there),
            lambda: torch.rand(3, device="cuda", generator=torch.Generator()),
        ):
            with pytest.raises(OnWrongDevice):
                wrong()
        net = torch.nn.Linear(3, 2).to("cuda")
        with pytest.raises(OnWrongDevice):
            net(here)
        assert net(there).is_cuda


@pytest.fixture(autouse=True)
def whole_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both devices compute in float32, so that they may be compared."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())


def attacked(name: str, view: View, device: str) -> np.ndarray:
    """Images that an attack makes of a view."""
    return configure(name).run(view, Context(seed=1, device=device, profile="quick")).images


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("cluster-mean", 16),
        pytest.param("unmix", 16, marks=pytest.mark.slow),
        pytest.param("phase", 16, marks=pytest.mark.slow),
        pytest.param("carlini", 32, marks=pytest.mark.slow),
    ],
)
def test_an_attack_gives_the_same_there_as_here(name: str, size: int) -> None:
    sample = instahide(n=8, epochs=12, size=size)
    view = View(sample.encodings, sample.labels, image_range=(-1.0, 1.0))
    with accelerator():
        there = attacked(name, view, "cuda")
    np.testing.assert_allclose(there, attacked(name, view, "cpu"), atol=0.02)


@pytest.mark.slow
def test_images_that_move_are_solved_for_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = instahide(n=8, epochs=12, size=16)
    view = View(sample.encodings, sample.labels, image_range=(-1.0, 1.0))
    monkeypatch.setattr(signed, "seen", lambda *_: Seen(100, 0.5, 0.4, 1))
    with accelerator():
        there = attacked("unmix", view, "cuda")
    np.testing.assert_allclose(there, attacked("unmix", view, "cpu"), atol=0.02)
