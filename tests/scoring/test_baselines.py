"""Baselines are built from the view alone, and reach what a trivial guess reaches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ihaudit import registry
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.release import Release, Truth
from ihaudit.scoring.baselines.mean_encoding import mean_encoding
from ihaudit.scoring.baselines.mean_image import mean_image
from ihaudit.scoring.baselines.nearest_public import nearest_public
from ihaudit.scoring.reconstructions import score_attack
from tests.estimates import measured
from tests.pictures import lookalikes, pictures

CTX = Context(seed=1)
N = 30


def view(encodings: np.ndarray, **fields: Any) -> View:
    return View(encodings=np.asarray(encodings, np.float32), **fields)


def answered(output: AttackOutput | None) -> AttackOutput:
    assert output is not None
    return output


def test_mean_image_overall_and_per_class() -> None:
    x = pictures(20)
    labels = np.arange(20) % 2
    out = answered(mean_image(view(x, similar=x, similar_labels=labels), CTX)).images
    assert out.shape == (3, 32, 32, 3)
    assert np.allclose(out[1], x[::2].mean(axis=0), atol=1e-6)
    assert np.allclose(answered(mean_image(view(x, public_set=x), CTX)).images[0], x.mean(axis=0), atol=1e-6)
    assert mean_image(view(x), CTX) is None


def test_nearest_known_image_finds_the_public_image_that_was_mixed_in_behind_the_mask() -> None:
    private, public = pictures(8, 1), pictures(50, 2)
    rng = np.random.default_rng(0)
    mixture = 2 * (0.15 * private + 0.85 * public[:8]) - 1
    masked = mixture * rng.choice([-1, 1], mixture.shape)
    out = answered(nearest_public(view(masked, public_set=public, image_range=(-1.0, 1.0)), CTX))
    distance = np.abs(out.images[:, None] - public[None]).max(axis=(2, 3, 4))
    assert (distance.min(axis=1) < 1e-6).all()
    assert len(set(distance.argmin(axis=1).tolist()) & set(range(8))) >= 6
    assert out.confidence is not None and (np.diff(out.confidence) <= 1e-6).all()
    assert nearest_public(view(masked), CTX) is None
    assert nearest_public(view(np.zeros((4, 7)), public_set=public), CTX) is None


def test_mean_of_the_encodings() -> None:
    x = pictures(10)
    labels = np.eye(2, dtype=np.float32)[np.arange(10) % 2]
    out = answered(mean_encoding(view(2 * x - 1, labels=labels, image_range=(-1, 1)), CTX))
    assert out.images.shape == (6, 32, 32, 3)
    assert np.allclose(out.images[1], x.mean(axis=0), atol=1e-5)
    assert np.allclose(out.images[3], x[::2].mean(axis=0), atol=1e-5)
    assert out.images.min() >= 0
    assert out.images.max() <= 1
    constant = answered(mean_encoding(view(np.full((3, 8, 8, 1), 0.3)), CTX)).images
    assert np.isfinite(constant).all()
    assert mean_encoding(view(np.zeros((4, 7))), CTX) is None


@pytest.mark.parametrize("make", [pictures, lookalikes])
def test_all_are_scored_on_every_image_and_break_nothing_different(make: Callable[[int], np.ndarray]) -> None:
    x = make(4 * N)
    encodings = np.random.default_rng(0).random((N, 32, 32, 3))
    v = view(encodings, similar=x[2 * N :], public_set=pictures(20, 9))
    assert list(registry.load("baseline")) == ["mean-image", "nearest-public", "mean-encoding"]
    for baseline in registry.load("baseline").values():
        output = baseline.guess(v, CTX)
        s = score_attack(output, Truth(x[:N], np.zeros(N, int)), Release(encodings), decoys=x[N : 2 * N], reuse=True)
        assert s.details["matched"] == N
        # Encodings are noise, so private images and decoys are reached alike.
        assert abs(measured(s.metrics["ssim"]).value - measured(s.metrics["ssim_chance"]).value) < 0.1


def test_same_seed_same_baselines() -> None:
    v = view(pictures(5), similar=pictures(40, 3))
    for baseline in registry.load("baseline").values():
        assert np.array_equal(baseline.guess(v, CTX).images, baseline.guess(v, CTX).images)
