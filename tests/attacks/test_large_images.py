"""Images larger than a profile has the time for: attacks on mixtures work on every few pixels, and say so."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from ihaudit.attacks.least_squares import LeastSquares
from ihaudit.attacks.recipe import enlarged, thinned, working_step
from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.metrics.ssim import ssim

QUICK = Context(seed=0, profile="quick")


def large(n: int, epochs: int, size: int, k: int, *, masked: bool) -> tuple[View, np.ndarray]:
    """Mixtures of k private images on [-1, 1], and the images float32 (n, size, size, 3) in [0, 1]."""
    rng = np.random.default_rng(0)
    sources = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    images = []
    for i in range(n):
        source = sources[i % 4][::2, ::2, :3]
        y, x = (int(rng.integers(0, s - size)) for s in source.shape[:2])
        images.append(source[y : y + size, x : x + size].astype(np.float32) / 255)
    private, kinds = np.stack(images), np.arange(n) % 4
    own = np.concatenate([np.stack([rng.permutation(n) for _ in range(k)], 1) for _ in range(epochs)])
    weights = np.abs(rng.standard_normal(own.shape))
    weights /= weights.sum(1, keepdims=True)
    mixed = np.einsum("ek,ekhwc->ehwc", weights, 2 * private[own] - 1)
    soft = np.zeros((len(own), 4), np.float32)
    for j in range(k):
        np.add.at(soft, (np.arange(len(own)), kinds[own[:, j]]), weights[:, j])
    signs = rng.choice([-1, 1], size=mixed.shape) if masked else 1
    return View((mixed * signs).astype(np.float32), soft, (-1.0, 1.0), image_shape=private.shape[1:]), private


def test_what_is_worked_on() -> None:
    for edge, step in ((32, 1), (64, 1), (72, 1), (96, 2), (128, 3), (224, 5)):
        assert working_step(View(np.zeros((2, edge, edge, 3), np.float32)), QUICK) == step
        assert working_step(View(np.zeros((2, edge, edge, 3), np.float32)), Context(seed=0, profile="full")) == 1


@pytest.mark.parametrize("step", [2, 3, 5])
def test_pixels_come_back_where_they_were(step: int) -> None:
    """A smooth picture, thinned and enlarged, is the picture: a shift by half a step would show."""
    y, x = np.mgrid[0:96, 0:96] / 96
    picture = np.stack([y, x, (x + y) / 2], -1)[None].astype(np.float32)
    small = thinned(View(picture), step, public=False)
    back = enlarged(AttackOutput(np.asarray(small.encodings)), picture.shape, step).images
    assert back.shape == picture.shape
    assert np.abs(back - picture)[:, 8:-8, 8:-8].max() < (0.006 if step % 2 else 0.012)


def test_a_large_release_is_taken_apart_and_it_is_said() -> None:
    view, private = large(8, 12, 96, 2, masked=False)
    found = LeastSquares().run(view, QUICK)
    assert found.images.shape[1:] == (96, 96, 3)
    assert "worked at 48 x 48 pixels" in found.sentence
    best = [ssim(np.repeat(i[None], len(found.images), 0), found.images).max() for i in private]
    assert np.median(best) > 0.5


@pytest.mark.slow
def test_a_large_masked_release() -> None:
    view, private = large(8, 16, 128, 2, masked=True)
    found = Unmix().run(view, QUICK)
    best = [ssim(np.repeat(i[None], len(found.images), 0), found.images).max() for i in private]
    assert np.median(best) > 0.5
