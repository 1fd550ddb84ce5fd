"""The attack on releases whose values one key changed where they stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ihaudit.attacks.unkey import Unkey
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.images.embedded import embedded
from ihaudit.metrics.ssim import ssim
from ihaudit.schemes.dct_signs import DCTSigns
from ihaudit.schemes.label_only import LabelOnly
from ihaudit.schemes.learnable_encryption import LearnableEncryption
from ihaudit.schemes.mixup import MixUp
from ihaudit.schemes.pixel_encryption import PixelEncryption
from ihaudit.schemes.reused_pad import ReusedPad

#: quarters of the pictures: keys in place are as hard to find in them, and it takes a tenth of the time
PRIVATE, SIMILAR = (embedded(role).images[:, 8:24, 8:24].copy() for role in ("private", "similar"))


def run(encodings: np.ndarray, similar: np.ndarray | None = SIMILAR) -> AttackOutput:
    return Unkey().run(View(encodings, similar=similar), Context(seed=0))


def encoded(scheme: Any, images: np.ndarray) -> np.ndarray:
    out: np.ndarray = scheme.encode(images, np.arange(len(images)) % 4, images, np.random.default_rng(7)).encodings
    return out


@pytest.mark.parametrize(
    ("scheme", "least", "words"),
    [
        (PixelEncryption(), 0.95, "negated and channels exchanged"),
        (DCTSigns(), 0.85, "every block of 8 x 8"),
        (ReusedPad(), 0.8, "one pad"),
        (LearnableEncryption(), 0.85, "halves of the bytes of every block of 4 x 4"),
    ],
    ids=["pe", "dct", "pad", "le"],
)
def test_the_key_is_found(scheme: Any, least: float, words: str) -> None:
    out = run(encoded(scheme, PRIVATE[:100]))
    assert float(ssim(out.images, PRIVATE[:100]).mean()) > least
    assert words in out.sentence
    assert out.confidence is not None and out.confidence.mean() > 0.8


def test_grey_pictures_of_another_size_and_range() -> None:
    images, similar = (v[:, :14, :14, :1].copy() for v in (PRIVATE[:80], SIMILAR))
    out = run(encoded(PixelEncryption(), images) * 255, similar)
    assert float(ssim(out.images, images).mean()) > 0.95


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PRIVATE[:50], "vary as pictures do"),
        (lambda: np.random.default_rng(0).random((50, 16, 16, 3)).astype(np.float32), "no key"),
        (lambda: np.full((50, 16, 16, 3), 0.5, np.float32), "hardly differ"),
        (lambda: encoded(PixelEncryption(fresh=True), PRIVATE[:50]), "no key"),
        (lambda: encoded(LabelOnly(), PRIVATE[:50]), r"no key|not 16 x 16|hardly differ"),
        (lambda: np.zeros((50, 768), np.float32), "not 16 x 16 pixels"),
        (lambda: encoded(MixUp(), PRIVATE[:50]), "no key"),
        (lambda: PRIVATE[:5], "fewer than 20 encodings"),
    ],
)
def test_other_releases_are_refused(make: Any, message: str) -> None:
    with pytest.raises(NotApplicable, match=message):
        run(make())


def test_similar_images_are_needed() -> None:
    with pytest.raises(NotApplicable, match="similar images"):
        run(PRIVATE[:50], None)
