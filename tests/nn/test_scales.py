"""The predicted strength of coefficients: an orthonormal pyramid, no look at what is predicted, and it learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ihaudit.nn.fitting import train
from ihaudit.nn.scales import KINDS, colours, context, pyramid, unpyramid
from ihaudit.nn.shipped import load_scales
from ihaudit.training import scales as scaling
from ihaudit.training.scales import DEFAULTS, PyramidMixtures, ScalesTask, information
from tests.nn.samples import pool


def test_the_pyramid_is_orthonormal() -> None:
    x = torch.randn(2, 3, 64, 32)
    parts = pyramid(x, 5)
    assert [tuple(p.shape[1:]) for p in parts][-2:] == [(3, 3, 2, 1), (3, 1, 2, 1)]
    torch.testing.assert_close(unpyramid(parts), x)
    torch.testing.assert_close(sum((p**2).sum() for p in parts), (x**2).sum())
    torch.testing.assert_close(colours() @ colours().T, torch.eye(3))


@pytest.mark.parametrize("level", range(6))
def test_no_coefficient_helps_to_predict_itself(level: int) -> None:
    energies = [(p**2).requires_grad_() for p in pyramid(torch.randn(2, 3, 64, 64), 5)]
    found = context(energies, level)
    bands, _, _, h, w = found.shape
    for band, row, column in ((0, 0, 0), (bands - 1, h - 1, 0), (bands // 2, h // 2, w // 2)):
        (slope,) = torch.autograd.grad(found[band, :, 1, row, column].sum(), energies[level], retain_graph=True)
        slope = slope.reshape(2, bands, h, w)
        assert slope[1, band, row, column] == 0
        assert slope[1].abs().sum() > 0 and slope[0].abs().sum() == 0


def test_training_learns_where_pictures_are_strong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "CENTRE", 200)
    task = ScalesTask(PyramidMixtures(pool(60, 0)), PyramidMixtures(pool(60, 1)), 0)
    task.held_out = {k: [p[:64] for p in v] for k, v in task.held_out.items()}
    config = replace(DEFAULTS, steps=40, every=40, batch=16)
    net, record = train(task, config, None, lambda _: None)
    before = task.validate(task.build(), config)
    assert record["history"][-1]["loss"] < before["loss"]
    assert set(information(net, task.held_out["single"], "single")) == {
        f"level {k}, {c}" for k in range(6) for c in ("brightness", "colour")
    }


def test_shipped_weights_know_more_than_the_mean() -> None:
    net = load_scales()
    rng = np.random.default_rng(0)
    # strong in one half, weak in the other
    x = torch.from_numpy(rng.standard_normal((8, 3, 32, 32)).astype(np.float32))
    x[..., :16] *= 0.1
    energies = [p**2 for p in pyramid(x, net.config.levels)]
    with torch.no_grad():
        for kind in KINDS:
            found = net.predict(energies, kind)
            assert [f.shape for f in found] == [e.shape for e in energies]
            assert float(found[0][..., 10:].mean() / found[0][..., :6].mean()) > 5
