"""The attack that has encodings and similar images, but no pair."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from ihaudit.attacks.numerics.unpaired.places import recurring
from ihaudit.attacks.unpaired import Unpaired
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.images.embedded import embedded
from ihaudit.metrics.ssim import ssim
from ihaudit.schemes.identity import Identity
from ihaudit.schemes.neuracrypt import NeuraCrypt

CTX = Context(seed=3, profile="standard")
LINEAR = NeuraCrypt(depth=-1, shuffle=False)


@cache
def grey() -> tuple[np.ndarray, np.ndarray]:
    """Private and similar photographs, float32 (n, 28, 28, 1), of the other side of the same photographs."""
    private, similar = (embedded(side).images.mean(3, keepdims=True)[:, 2:30, 2:30] for side in ("private", "similar"))
    return private[::2][:100].astype(np.float32), similar.astype(np.float32)


def encoded(scheme: NeuraCrypt = LINEAR) -> np.ndarray:
    private, _ = grey()
    return scheme.encode(private, np.zeros(len(private), np.int64), private, np.random.default_rng(5)).encodings


def run(encodings: np.ndarray) -> AttackOutput:
    return Unpaired().run(View(encodings, similar=grey()[1]), CTX)


def test_a_linear_map_of_patches_is_found() -> None:
    out = run(encoded())
    reached = float(ssim(out.images, grey()[0]).mean())
    assert reached > 0.85
    assert out.confidence is not None and abs(float(out.confidence[0]) - reached) < 0.2
    assert out.members is not None and (out.members[:, 0] == np.arange(100)).all()
    np.testing.assert_array_equal(run(encoded()).images, out.images)


def test_places_that_were_marked_are_told() -> None:
    marks = np.random.default_rng(1).standard_normal((1, 49, 128)).astype(np.float32)
    out = run(encoded() + marks)
    assert out.diagnostics["marked"] and float(ssim(out.images, grey()[0]).mean()) > 0.6


def test_blocks_of_encodings_like_images_are_found_too() -> None:
    private, _ = grey()
    key = np.linalg.qr(np.random.default_rng(2).standard_normal((16, 16)))[0].astype(np.float32)
    blocks = private.reshape(-1, 7, 4, 7, 4, 1).swapaxes(2, 3).reshape(-1, 16) @ key
    encodings = blocks.reshape(-1, 7, 7, 4, 4, 1).swapaxes(2, 3).reshape(private.shape)
    assert recurring(encodings) == 4 and recurring(private) is None and recurring(np.zeros_like(private)) is None
    assert float(ssim(run(encodings).images, private).mean()) > 0.85


@pytest.mark.parametrize(
    ("encodings", "reason"),
    [
        (np.random.default_rng(0).standard_normal((100, 49, 16)).astype(np.float32), "fit"),
        (np.random.default_rng(0).standard_normal((100, 49, 128)).astype(np.float32), "no affine map"),
        (np.zeros((100, 49, 16), np.float32), "no affine map"),
        (np.random.default_rng(0).standard_normal((2, 49, 16)).astype(np.float32), "too few"),
        (np.random.default_rng(0).standard_normal((100, 784)).astype(np.float32), "vector for every patch"),
    ],
)
def test_nothing_is_found_in_noise(encodings: np.ndarray, reason: str) -> None:
    with pytest.raises(NotApplicable, match=reason):
        run(encodings)


def test_shuffled_vectors_and_plain_pictures_are_refused() -> None:
    private, _ = grey()
    with pytest.raises(NotApplicable, match="fit"):
        run(encoded(NeuraCrypt(depth=-1)))
    with pytest.raises(NotApplicable, match="vector for every patch"):
        run(Identity().encode(private, np.zeros(len(private), np.int64), private, np.random.default_rng(0)).encodings)


def test_without_similar_images_it_says_so() -> None:
    with pytest.raises(NotApplicable, match="similar images"):
        Unpaired().run(View(encoded()), CTX)
