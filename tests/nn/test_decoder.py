"""The decoder's network takes encodings of every size; stand-ins of encoders are learned from few pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.metrics.ssim import ssim, ssim_tensors
from ihaudit.nn.decoder import Decoder, DecoderConfig, Pairs, cost, fit_decoder
from ihaudit.nn.surrogate import fit_surrogate
from tests.games.inprocess import population


@pytest.mark.parametrize("image", [(32, 32, 3), (28, 28, 1), (18, 22, 3)])
@pytest.mark.parametrize("maps", [None, (32, 32, 3), (28, 28, 1), (8, 8, 40), (7, 7, 5), (64, 64, 1), (12, 10, 5)])
def test_it_starts_as_the_first_guess(image: tuple[int, int, int], maps: tuple[int, int, int] | None) -> None:
    config = DecoderConfig(image, maps, guesses=2)
    h, w, c = image
    guesses = torch.rand(2, 2 * c, h, w)
    laid = None if maps is None else torch.randn(2, maps[2], *maps[:2])
    torch.testing.assert_close(Decoder(config)(guesses, laid), guesses[:, :c])
    assert cost(config) > 0


def planes() -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(population()[0], -1, 1))


def test_it_learns_and_says_the_same_twice() -> None:
    x = planes()
    pairs = Pairs(x, np.broadcast_to(x.mean(0), x.shape).copy(), 1 - x)
    rows = np.arange(len(x))
    config = DecoderConfig((16, 16, 3), (16, 16, 3), width=16, deep=16, own=16)
    fitted = [
        fit_decoder(config, pairs.take(rows[:400]), pairs.take(rows[400:]), operations=1e9, seed=1) for _ in range(2)
    ]
    losses = [h["loss"] for h in fitted[0][1]["history"]]
    assert losses == [h["loss"] for h in fitted[1][1]["history"]] and min(losses) < losses[0]


def test_a_stand_in_encodes_as_the_encoder_does() -> None:
    x = planes()
    cells = x.reshape(len(x), 3, 4, 4, 4, 4).transpose(0, 1, 3, 5, 2, 4).reshape(len(x), 48, 4, 4)
    weight = np.random.default_rng(0).standard_normal((24, 48)).astype(np.float32)
    maps = np.maximum(np.einsum("dc,nchw->ndhw", weight, cells - 0.5), 0).astype(np.float32)
    maps = (maps - maps.mean()) / maps.std()
    found = fit_surrogate(x[:400], maps[:400], (x[400:], maps[400:]), operations=4e10, seed=0)
    assert found is not None and found.unexplained < 0.25
    assert found(x[:3]).shape == (3, 24, 4, 4)
    assert fit_surrogate(x[:9], x[:9], (x[:9], x[:9]), operations=1e9, seed=0) is None


def test_the_differentiable_ssim_is_the_pinned_one() -> None:
    x = population()[0][:8]
    y = np.clip(x + 0.1 * np.random.default_rng(0).standard_normal(x.shape), 0, 1).astype(np.float32)
    a, b = (torch.from_numpy(np.ascontiguousarray(np.moveaxis(v, -1, 1))) for v in (x, y))
    np.testing.assert_allclose(ssim_tensors(a, b).numpy(), ssim(x, y), atol=1e-4)
