"""The attack on releases whose pixels are in one secret order."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.unscramble import Unscramble
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.ssim import ssim
from tests.data import load_images
from tests.pictures import pictures


def scrambled(images: np.ndarray, seed: int = 0) -> np.ndarray:
    n, h, w, c = images.shape
    order = np.random.default_rng(seed).permutation(h * w)
    out: np.ndarray = images.reshape(n, h * w, c)[:, order].reshape(images.shape)
    return out


def run(encodings: np.ndarray, similar: np.ndarray | None, profile: str = "quick"):  # type: ignore[no-untyped-def]
    return Unscramble().run(View(encodings, similar=similar), Context(seed=0, profile=profile))  # type: ignore[arg-type]


def test_it_lays_out_made_up_pictures_up_to_symmetry() -> None:
    """These pictures are as likely mirrored or turned, so that only the layout can be found."""
    images = pictures(300, seed=1, size=16, channels=1)
    out = run(scrambled(images), pictures(800, seed=2, size=16, channels=1)).images
    turned = [np.rot90(v, k, (1, 2)) for v in (out, out[:, :, ::-1]) for k in range(4)]
    assert max(ssim(v, images).mean() for v in turned) > 0.9


@pytest.mark.data
def test_it_finds_the_pictures_and_tells_them_from_their_mirror_images() -> None:
    images, _ = load_images("celeba_eval")
    out = run(scrambled(images[:200]), images[1000:3000])
    assert ssim(out.images, images[:200]).mean() > 0.9
    assert out.confidence is not None and out.confidence.mean() > 0.7
    assert "give away where each position lies" in out.sentence


def test_pictures_need_no_unscrambling() -> None:
    with pytest.raises(NotApplicable, match="as smooth as pictures"):
        run(pictures(40, seed=1), pictures(150, seed=2))


def test_noise_is_refused() -> None:
    noise = np.random.default_rng(0).random((60, 32, 32, 3)).astype(np.float32)
    with pytest.raises(NotApplicable, match="do not vary together"):
        run(noise, pictures(150, seed=2))


def test_a_fresh_order_for_every_image_is_refused() -> None:
    images = pictures(60, seed=1)
    fresh = np.concatenate([scrambled(x[None], seed) for seed, x in enumerate(images)])
    with pytest.raises(NotApplicable, match="do not vary together"):
        run(fresh, pictures(150, seed=2))


def test_encodings_of_another_size_and_too_few_are_refused() -> None:
    with pytest.raises(NotApplicable, match="pixels of 3 values"):
        run(np.zeros((60, 500), np.float32), pictures(150))
    with pytest.raises(NotApplicable, match="fewer than 20 encodings"):
        run(scrambled(pictures(5)), pictures(150))
    with pytest.raises(NotApplicable, match="similar images"):
        run(scrambled(pictures(60)), None)


@pytest.mark.data
@pytest.mark.slow
def test_where_a_mirror_image_cannot_be_told_it_says_so() -> None:
    images, _ = load_images("cifar10_eval")
    out = run(scrambled(images[:200]), images[1000:3000])
    assert out.ambiguity == ("mirror",) and "mirrored" in out.sentence
    assert max(ssim(v, images[:200]).mean() for v in (out.images, out.images[:, :, ::-1])) > 0.9
