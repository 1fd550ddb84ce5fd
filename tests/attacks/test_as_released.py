"""Encodings of one image each: shown as they are by one attack, and refused by those that take mixtures apart."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from tests.pictures import pictures

CTX = Context(seed=0, profile="quick")
N = 30
X = pictures(N)
ONE_HOT = np.eye(3, dtype=np.float32)[np.arange(N) % 3]
MIXING = ("carlini", "cluster-mean", "least-squares", "phase", "unmix")


def view_of(encodings: np.ndarray, **fields: object) -> View:
    view = View(encodings=encodings, labels=ONE_HOT, image_shape=X.shape[1:])
    return replace(view, **fields)  # type: ignore[arg-type]


def shown(encodings: np.ndarray, **fields: object) -> AttackOutput:
    return configure("as-released").run(view_of(encodings, **fields), CTX)


def error(out: AttackOutput) -> float:
    assert out.members is not None
    return float(np.abs(out.images[out.members[:, 0]] - X).mean())


@pytest.mark.parametrize(
    ("encodings", "most"),
    [
        (X, 1e-6),
        (X.reshape(N, -1), 1e-6),
        (X.transpose(0, 3, 1, 2), 1e-6),
        (np.round(X * 255).astype(np.uint8), 0.05),
        (X.reshape(N, 16, 2, 16, 2, 3).mean((2, 4)), 0.1),
    ],
    ids=["as they are", "flat", "channels first", "bytes", "half the size"],
)
def test_pictures_are_shown_whatever_their_layout_and_size(encodings: np.ndarray, most: float) -> None:
    out = shown(encodings)
    assert out.images.shape == X.shape and error(out) < most
    assert "nothing was inverted" in out.sentence and "private images" not in out.sentence


def test_a_range_of_their_own_is_brought_into_that_of_images() -> None:
    assert error(shown(1000 * X - 300)) < 0.05
    assert error(shown(2 * X - 1, image_range=(-1.0, 1.0))) < 1e-6


@pytest.mark.parametrize(
    "encodings",
    [np.ones((N, 64, 128)), np.ones((N, 7)), np.ones((N, 16, 16, 16)), np.ones((N, 3, 3, 3))],
    ids=["tokens", "vectors", "feature maps", "too small"],
)
@pytest.mark.parametrize("attack", ["as-released", *MIXING, "prng", "recolour"])
def test_what_is_no_picture_is_refused_at_once(attack: str, encodings: np.ndarray) -> None:
    noisy = encodings + np.random.default_rng(0).standard_normal(encodings.shape)
    view = view_of(noisy.astype(np.float32))
    began = time.process_time()
    with pytest.raises(NotApplicable):
        configure(attack).run(view, CTX)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("attack", [*MIXING, "prng"])
def test_attacks_on_mixtures_and_masks_refuse_rows_of_one_image(attack: str) -> None:
    """No mask is there to predict, and nothing is mixed: neither may count as tried."""
    order = np.random.default_rng(1).permutation(1024)
    permuted = X.reshape(N, 1024, 3)[:, order].reshape(X.shape)
    for encodings, low in ((X, 0.0), (permuted, 0.0), (2 * permuted - 1, -1.0)):
        with pytest.raises(NotApplicable, match="mask"):
            configure(attack).run(view_of(encodings, image_range=(low, 1.0)), CTX)
