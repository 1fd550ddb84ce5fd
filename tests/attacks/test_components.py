"""The attack on mixtures that have no sign mask, without their labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from ihaudit.attacks.components import Components
from ihaudit.attacks.numerics.memberships import dimensions
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.images.embedded import embedded
from ihaudit.metrics.ssim import ssim
from ihaudit.schemes.constant import Constant
from ihaudit.schemes.dp_instahide import DPInstaHide
from ihaudit.schemes.identity import Identity
from ihaudit.schemes.label_only import LabelOnly
from ihaudit.schemes.mixup import MixUp
from ihaudit.schemes.noise import Noise
from ihaudit.schemes.pixelation import Pixelation

PRIVATE = embedded("private").images[::2][:50]


def encoded(scheme: Any, images: np.ndarray = PRIVATE) -> np.ndarray:
    out: np.ndarray = scheme.encode(images, np.arange(len(images)) % 4, images, np.random.default_rng(7)).encodings
    return out


def run(encodings: np.ndarray, **view: Any) -> AttackOutput:
    return Components().run(View(encodings, image_shape=PRIVATE.shape[1:], **view), Context(seed=0))


def reached(out: AttackOutput, images: np.ndarray = PRIVATE) -> float:
    """Mean SSIM under the best assignment."""
    apart = ((out.images[:, None] - images[None]) ** 2).mean((2, 3, 4))
    found, true = linear_sum_assignment(apart)
    return float(ssim(out.images[found], images[true]).sum() / len(images))


@pytest.mark.parametrize(
    ("scheme", "least"),
    [(DPInstaHide(), 0.85), (DPInstaHide(k=2), 0.9), (MixUp(k=3), 0.98), (MixUp(), 0.98)],
    ids=["dp-instahide", "pairs", "mixup of three", "mixup"],
)
def test_mixtures_are_taken_apart_without_labels(scheme: Any, least: float) -> None:
    x = encoded(scheme)
    out = run(x)
    assert len(out.images) == len(PRIVATE) and reached(out) > least
    assert out.confidence is not None and abs(float(out.confidence.mean()) - reached(out)) < 0.1
    assert out.members is not None and out.coefficients is not None
    assert out.members.shape == out.coefficients.shape and len(out.members) == len(x)
    np.testing.assert_array_equal(run(x).images, out.images)


def test_rows_of_values_and_another_range() -> None:
    x = encoded(DPInstaHide())
    assert reached(run(x.reshape(len(x), -1))) > 0.85
    assert reached(run(2 * x - 1, image_range=(-1.0, 1.0))) > 0.85


def test_a_stated_number_of_images_is_taken() -> None:
    out = run(encoded(DPInstaHide(scale=0.1)), hints={"n_private": len(PRIVATE)})
    assert len(out.images) == len(PRIVATE) and reached(out) > 0.5


@pytest.mark.parametrize(
    ("scheme", "reason"),
    [
        (Identity(), "fewer dimensions"),
        (Pixelation(), "fewer dimensions"),
        (Noise(), "fewer dimensions|sign mask"),
        (LabelOnly(), "nothing is mixed|fewer dimensions"),
        (Constant(), "fewer dimensions"),
    ],
)
def test_what_is_not_mixed_is_refused(scheme: Any, reason: str) -> None:
    with pytest.raises(NotApplicable, match=reason):
        run(encoded(scheme))


def test_the_spectrum_shows_how_many_there_are() -> None:
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((200, 12)) @ rng.standard_normal((12, 300))
    noisy = signal + 0.5 * rng.standard_normal(signal.shape)
    noise = rng.standard_normal(signal.shape)
    for x, count in ((signal, 12), (noisy, 12), (noise, 0)):
        values = np.linalg.svd(x, compute_uv=False) ** 2
        assert dimensions(np.asarray(values, np.float64), 200) == count
