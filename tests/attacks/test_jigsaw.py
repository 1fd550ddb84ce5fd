"""The attack on releases whose images were cut into blocks."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.jigsaw import Jigsaw
from ihaudit.attacks.numerics.jigsaw.motions import motions
from ihaudit.attacks.numerics.jigsaw.solve import blocks_right
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.images.embedded import embedded
from ihaudit.metrics.alignment import moves
from ihaudit.metrics.ssim import ssim
from ihaudit.schemes.block_scramble import BlockScramble
from ihaudit.schemes.etc import EncryptionThenCompression
from ihaudit.schemes.pixelation import Pixelation
from tests.pictures import pictures

SIMILAR = embedded("similar").images
PRIVATE = embedded("private").images


def run(encodings: np.ndarray, similar: np.ndarray | None = SIMILAR) -> AttackOutput:
    return Jigsaw().run(View(encodings, similar=similar), Context(seed=0))


def encoded(scheme: EncryptionThenCompression | BlockScramble | Pixelation, images: np.ndarray) -> np.ndarray:
    return scheme.encode(images, np.zeros(len(images), int), images, np.random.default_rng(7)).encodings


def score(out: AttackOutput, images: np.ndarray) -> float:
    ways = moves(out.ambiguity, images.shape[1:]).values()
    return max(float(ssim(move(out.images), images[: len(out.images)]).mean()) for move in ways)


def test_blocks_turned_negated_and_recoloured_under_one_key() -> None:
    images = PRIVATE[:40]
    out = run(encoded(EncryptionThenCompression(block=8), images))
    assert score(out, images) > 0.9
    assert "turned or mirrored, negated, recoloured, in one way in all images" in out.sentence
    assert out.confidence is not None and out.confidence.mean() > 0.8


def test_patches_in_another_order_in_every_image() -> None:
    images = PRIVATE[:24]
    out = run(encoded(BlockScramble(patch=8, sub=4), images))
    assert score(out, images) > 0.8 and not out.ambiguity
    assert "inside patches of 8 x 8" in out.sentence and "negated" not in out.sentence


@pytest.mark.parametrize("channels_first", [False, True])
def test_blocks_released_as_tokens_of_other_range(channels_first: bool) -> None:
    images = PRIVATE[:24]
    x = encoded(BlockScramble(patch=8, sub=8), images) * 255
    tokens = x.reshape(24, 4, 8, 4, 8, 3).swapaxes(2, 3).reshape(24, 16, 8, 8, 3)
    tokens = tokens.transpose(0, 1, 4, 2, 3) if channels_first else tokens
    assert score(run(tokens.reshape(24, 16, -1)), images) > 0.85


def test_grey_pictures_of_28_pixels() -> None:
    images, similar = (v[:, 2:30, 2:30, :1].copy() for v in (PRIVATE[:30], SIMILAR))
    out = run(encoded(EncryptionThenCompression(block=7), images), similar)
    assert score(out, images) > 0.8


@pytest.mark.slow
def test_a_key_for_every_image() -> None:
    """Most pictures are put together; in which pose they are is told for part of them."""
    images = PRIVATE[:20]
    out = run(encoded(EncryptionThenCompression(block=8, fresh=True), images))
    assert "in another way in every image" in out.sentence
    assert 0.5 < out.diagnostics["blocks_right"] <= 1 and "of the blocks right" in out.sentence
    blocks = [v.reshape(20, 4, 8, 4, 8, 3).std((2, 4, 5)) for v in (out.images, images)]
    assert np.mean(np.abs(np.sort(blocks[0].reshape(20, -1)) - np.sort(blocks[1].reshape(20, -1)))) < 1e-5
    motions = moves(("turn", "negative"), images.shape[1:]).values()
    grey = [v.mean(3, keepdims=True) for v in (out.images, images)]
    best = np.max([ssim(move(grey[0]), grey[1]) for move in motions], axis=0)
    assert best.mean() > 0.55


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PRIVATE[:30], "not made of blocks"),
        (lambda: np.random.default_rng(0).random((30, 32, 32, 3)).astype(np.float32), "not made of blocks"),
        (lambda: np.full((30, 32, 32, 3), 0.5, np.float32), "not made of blocks"),
        (lambda: encoded(Pixelation(), PRIVATE[:30]), "are flat"),
        (lambda: np.zeros((30, 100), np.float32), "does not have the 32 x 32 x 3 values"),
        (lambda: np.zeros((30, 16, 192), np.float32), "not made of blocks"),
    ],
)
def test_other_releases_are_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotApplicable, match=message):
        run(make())


def test_blocks_of_unrelated_noise_do_not_fit_together() -> None:
    """Smooth inside and cut at blocks, as a puzzle is, but there is no picture."""
    parts = pictures(30 * 16, seed=3, size=8).reshape(30, 4, 4, 8, 8, 3).swapaxes(2, 3).reshape(30, 32, 32, 3)
    with pytest.raises(NotApplicable, match=r"do not fit together|not made of blocks"):
        run(parts)


def test_similar_images_are_needed() -> None:
    with pytest.raises(NotApplicable, match="similar images"):
        run(PRIVATE[:30], None)


def test_blocks_count_as_right_whatever_motion_the_picture_is_in() -> None:
    true = pictures(3, seed=4) - np.float32(0.5)
    moved = motions(3).moved(true, 57)
    np.testing.assert_array_equal(blocks_right(moved, true, 8), 1)
    moved[:, :8, :8] = 0
    np.testing.assert_allclose(blocks_right(moved, true, 8), 15 / 16)
    np.testing.assert_array_equal(blocks_right(np.zeros_like(true), true, 8), 0)
