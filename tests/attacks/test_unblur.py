"""The attack on blurred pictures."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from ihaudit.attacks.unblur import Unblur
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.images.embedded import embedded
from ihaudit.metrics.ssim import ssim
from ihaudit.schemes.blur import Blur
from ihaudit.schemes.constant import Constant
from ihaudit.schemes.etc import EncryptionThenCompression
from ihaudit.schemes.identity import Identity
from ihaudit.schemes.mixup import MixUp
from ihaudit.schemes.noise import Noise
from ihaudit.schemes.pixelation import Pixelation


@cache
def grey() -> tuple[np.ndarray, np.ndarray]:
    """Private and similar photographs, float32 (n, 24, 28, 1)."""
    both = (embedded("private").images, embedded("similar").images)
    private, similar = (v.mean(3, keepdims=True)[:, 4:28, 2:30].astype(np.float32) for v in both)
    return private[::2][:60], similar


def encoded(scheme: Any) -> np.ndarray:
    private, _ = grey()
    out: np.ndarray = scheme.encode(private, np.arange(60) % 4, private, np.random.default_rng(7)).encodings
    return out


def run(encodings: np.ndarray, **view: Any) -> AttackOutput:
    return Unblur().run(View(encodings, similar=grey()[1], **view), Context(seed=0))


def score(images: np.ndarray) -> float:
    return float(ssim(np.clip(images, 0, 1).astype(np.float32), grey()[0]).mean())


@pytest.mark.parametrize(
    ("scheme", "gain"), [(Blur(), 0.1), (Blur(rounded=False), 0.2), (Blur(1.0), 0.05)], ids=["8 bits", "float", "weak"]
)
def test_a_gaussian_is_found_and_undone(scheme: Blur, gain: float) -> None:
    x = encoded(scheme)
    out = run(x)
    assert out.diagnostics["blur"] == "gaussian" and out.diagnostics["width"] == pytest.approx(scheme.sigma, rel=0.12)
    assert score(out.images) > score(x) + gain
    assert out.confidence is not None and abs(float(out.confidence[0]) - score(out.images)) < 0.12
    np.testing.assert_array_equal(run(x).images, out.images)


def test_a_box_and_another_range() -> None:
    x = uniform_filter(grey()[0], (0, 5, 5, 0), mode="reflect")
    out = run(2 * x - 1, image_range=(-1.0, 1.0))
    assert out.diagnostics["blur"] == "box" and out.diagnostics["width"] == 5
    assert score(out.images) > 0.95


@pytest.mark.parametrize(
    "scheme", [Identity(), Noise(), Constant(), EncryptionThenCompression(4), MixUp(), Pixelation()], ids=repr
)
def test_what_was_not_blurred_is_refused(scheme: Any) -> None:
    with pytest.raises(NotApplicable, match="sharp"):
        run(encoded(scheme))


def test_other_shapes_and_no_similar_images_are_refused() -> None:
    with pytest.raises(NotApplicable, match="shape of an image"):
        run(np.zeros((60, 49, 16), np.float32))
    with pytest.raises(NotApplicable, match="similar images"):
        Unblur().run(View(encoded(Blur())), Context(seed=0))
